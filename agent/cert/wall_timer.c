#include "cert/wall_timer.h"

#include "base/clock.h"

#include <time.h>

enum { LONGEST_SLEEP_S = 60 * 60 };

void wall_timer_recompute(struct wall_timer *timer)
{
    uint64_t sleep_us = LONGEST_SLEEP_S * 1000000ULL;
    uint64_t now_s = clock_now_s(), now_us = clock_boot_us();

    if (timer->moment_s == 0 && timer->until_us == 0) {
        sd_event_source_set_enabled(timer->timer, SD_EVENT_OFF);
        return;
    }
    if (timer->moment_s != 0) {
        uint64_t left_s = timer->moment_s > now_s ? timer->moment_s - now_s : 0;

        sleep_us = duration_shorter(left_s, LONGEST_SLEEP_S) * 1000000ULL;
    }
    if (timer->until_us != 0)
        sleep_us =
            duration_shorter(sleep_us, timer->until_us > now_us ? timer->until_us - now_us : 0);
    sd_event_source_set_time_relative(timer->timer, sleep_us);
    sd_event_source_set_enabled(timer->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct wall_timer *timer = arg;

    (void)source;
    (void)now_us;
    if (timer->moment_s != 0 && clock_now_s() >= timer->moment_s) {
        wall_timer_set(timer, 0, 0);
        timer->rings(timer->arg, true);
    } else if (timer->until_us != 0 && clock_boot_us() >= timer->until_us) {
        timer->until_us = 0;
        timer->rings(timer->arg, false);
    } else {
        wall_timer_recompute(timer);
    }
    return 0;
}

bool wall_timer_open(struct wall_timer *timer, sd_event *loop, wall_timer_rings *rings, void *arg,
                     struct err *err)
{
    int r = sd_event_add_time_relative(loop, &timer->timer, CLOCK_BOOTTIME, 0, 0, on_timer, timer);

    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_enabled(timer->timer, SD_EVENT_OFF);
    sd_event_source_set_description(timer->timer, "timer");
    timer->rings = rings;
    timer->arg = arg;
    return true;
}

void wall_timer_close(struct wall_timer *timer)
{
    timer->timer = sd_event_source_disable_unref(timer->timer);
}

void wall_timer_hasten(struct wall_timer *timer, uint64_t wait_ms)
{
    if (timer->until_us != 0)
        timer->until_us = duration_shorter(timer->until_us, clock_boot_us() + wait_ms * 1000);
    wall_timer_recompute(timer);
}

void wall_timer_set(struct wall_timer *timer, uint64_t moment_s, uint64_t wait_ms)
{
    timer->moment_s = moment_s;
    timer->until_us = wait_ms == 0 ? 0 : clock_boot_us() + wait_ms * 1000;
    wall_timer_recompute(timer);
}
