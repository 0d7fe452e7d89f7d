#include "flow/alarm.h"

#include "base/when.h"

#include <time.h>

enum { LONGEST_SLEEP_S = 60 * 60 };

void alarm_recompute(struct alarm *alarm)
{
    uint64_t sleep_us = LONGEST_SLEEP_S * 1000000ULL;
    uint64_t now_s = when_now_s(), now_us = when_boot_us();

    if (alarm->moment_s == 0 && alarm->until_us == 0) {
        sd_event_source_set_enabled(alarm->timer, SD_EVENT_OFF);
        return;
    }
    if (alarm->moment_s != 0) {
        uint64_t left_s = alarm->moment_s > now_s ? alarm->moment_s - now_s : 0;

        sleep_us = duration_shorter(left_s, LONGEST_SLEEP_S) * 1000000ULL;
    }
    if (alarm->until_us != 0)
        sleep_us =
            duration_shorter(sleep_us, alarm->until_us > now_us ? alarm->until_us - now_us : 0);
    sd_event_source_set_time_relative(alarm->timer, sleep_us);
    sd_event_source_set_enabled(alarm->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct alarm *alarm = arg;

    (void)source;
    (void)now_us;
    if (alarm->moment_s != 0 && when_now_s() >= alarm->moment_s) {
        alarm_set(alarm, 0, 0);
        alarm->rings(alarm->arg, true);
    } else if (alarm->until_us != 0 && when_boot_us() >= alarm->until_us) {
        alarm->until_us = 0;
        alarm->rings(alarm->arg, false);
    } else {
        alarm_recompute(alarm);
    }
    return 0;
}

bool alarm_open(struct alarm *alarm, sd_event *loop, alarm_rings *rings, void *arg, struct err *err)
{
    int r = sd_event_add_time_relative(loop, &alarm->timer, CLOCK_BOOTTIME, 0, 0, on_timer, alarm);

    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_enabled(alarm->timer, SD_EVENT_OFF);
    sd_event_source_set_description(alarm->timer, "alarm");
    alarm->rings = rings;
    alarm->arg = arg;
    return true;
}

void alarm_close(struct alarm *alarm)
{
    alarm->timer = sd_event_source_disable_unref(alarm->timer);
}

void alarm_hasten(struct alarm *alarm, uint64_t wait_ms)
{
    if (alarm->until_us != 0)
        alarm->until_us = duration_shorter(alarm->until_us, when_boot_us() + wait_ms * 1000);
    alarm_recompute(alarm);
}

void alarm_set(struct alarm *alarm, uint64_t moment_s, uint64_t wait_ms)
{
    alarm->moment_s = moment_s;
    alarm->until_us = wait_ms == 0 ? 0 : when_boot_us() + wait_ms * 1000;
    alarm_recompute(alarm);
}
