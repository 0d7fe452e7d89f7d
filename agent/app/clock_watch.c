#include "app/clock_watch.h"

#include "base/clock.h"
#include "base/event.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* The largest time_t; the kernel clamps it to its own limit (292 years). */
#define END_OF_TIME_S ((time_t)(sizeof(time_t) == 8 ? INT64_MAX : INT32_MAX))

struct clock_watch {
    int fd;
    sd_event_source *source;
    clock_was_set *on_set;
    void *arg;
    int64_t ahead_ms; /* wall clock minus boot clock, when last read */
};

/* Armed for a time that no clock reaches: an expired timer would stay readable and make the loop
 * spin. ECANCELED from the call that arms the timer is no failure: the clock was set in between,
 * and the timer is armed all the same. */
static int arm(int fd)
{
    const struct itimerspec never = {.it_value = {.tv_sec = END_OF_TIME_S}};

    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) != 0 &&
        errno != ECANCELED)
        return -errno;
    return 0;
}

static int64_t ahead_ms(void)
{
    return (int64_t)clock_now_ms() - (int64_t)(clock_boot_us() / 1000);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct clock_watch *watch = arg;
    uint64_t count;

    (void)source;
    (void)events;
    if (read(fd, &count, sizeof count) >= 0 || errno == ECANCELED) {
        int64_t before_ms = watch->ahead_ms;

        arm(fd);
        watch->ahead_ms = ahead_ms();
        watch->on_set(watch->arg, (watch->ahead_ms - before_ms) / 1000);
    }
    return 0;
}

bool clock_watch_open(sd_event *loop, clock_was_set *on_set, void *arg,
                      struct clock_watch **ret_watch, struct err *err)
{
    struct clock_watch *watch = calloc(1, sizeof *watch);
    int r;

    if (watch == NULL)
        return err_memory(err);
    watch->on_set = on_set;
    watch->ahead_ms = ahead_ms();
    watch->arg = arg;
    watch->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    r = watch->fd < 0 ? -errno : arm(watch->fd);
    if (r >= 0)
        r = sd_event_add_io(loop, &watch->source, watch->fd, EPOLLIN, on_ready, watch);
    if (r < 0) {
        clock_watch_close(watch);
        return err_errno(err, ERR_LOCAL, -r, "cannot watch the clock");
    }
    sd_event_source_set_description(watch->source, "clock");
    *ret_watch = watch;
    return true;
}

void clock_watch_close(struct clock_watch *watch)
{
    if (watch == NULL)
        return;
    sd_event_source_disable_unref(watch->source);
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch);
}

void clock_tell_step(int64_t by_s)
{
    char now[WHEN_TEXT_BYTES], by[DURATION_TEXT_BYTES];

    clock_text(clock_now_s(), now);
    duration_text((uint64_t)llabs(by_s), by);
    if (by_s != 0)
        event_emit(&(struct event){.kind = EVENT_CLOCK_SET, .by_s = EVENT_NUMBER(by_s)},
                   "the clock was set %s by %s and is now %s; computing all waits again",
                   by_s > 0 ? "forward" : "back", by, now);
}

/* -- the CA's clock -------------------------------------------------------------------------------
 */

enum { SKEW_WARN_S = 5 }; /* clocks that keep time agree to well below a second */

struct skew {
    int64_t ahead_ms; /* the CA's clock before ours, in the middle of what is possible */
    int64_t error_ms; /* so much more or less at most */
};

enum skew_news {
    SKEW_NO_NEWS,
    SKEW_APART,   /* more than SKEW_WARN_S apart, and that was not told yet */
    SKEW_TOGETHER /* within SKEW_WARN_S again, after it was told otherwise */
};

enum { WARN_MS = SKEW_WARN_S * 1000, DATE_STEP_MS = 1000 };

static struct skew measure_skew(const struct http_dated *reply)
{
    /* The Date was written during the round trip, and its second was under way. */
    int64_t ours_ms = (int64_t)reply->received_ms - (int64_t)(reply->took_ms / 2);
    int64_t theirs_ms = (int64_t)reply->date_s * 1000 + DATE_STEP_MS / 2;

    return (struct skew){
        .ahead_ms = theirs_ms - ours_ms,
        .error_ms = (int64_t)(reply->took_ms + 1) / 2 + DATE_STEP_MS / 2,
    };
}

/* Whether two moments are certainly further apart. */
static bool differs(int64_t a_ms, int64_t b_ms, int64_t error_ms, int64_t by_ms)
{
    return llabs(a_ms - b_ms) - error_ms > by_ms;
}

/*
 * What of it is worth telling, after `told_ms` was told last; 0: nothing, or that all is well
 *
 * A skew that was told is told again once it has certainly changed by more than a quarter, and by
 * more than SKEW_WARN_S.
 */
static enum skew_news news_of(const struct skew *skew, int64_t told_ms)
{
    int64_t quarter_ms = llabs(told_ms) / 4;

    if (told_ms != 0 && llabs(skew->ahead_ms) + skew->error_ms <= WARN_MS)
        return SKEW_TOGETHER;
    if (!differs(skew->ahead_ms, 0, skew->error_ms, WARN_MS))
        return SKEW_NO_NEWS;
    if (told_ms != 0 && !differs(skew->ahead_ms, told_ms, skew->error_ms,
                                 quarter_ms > WARN_MS ? quarter_ms : WARN_MS))
        return SKEW_NO_NEWS;
    return SKEW_APART;
}

void clock_skew_words(const struct clock_skew *skew, char to[static CLOCK_SKEW_WORDS_BYTES])
{
    char apart[DURATION_TEXT_BYTES];

    duration_text((uint64_t)llabs(skew->told_ms) / 1000, apart);
    snprintf(to, CLOCK_SKEW_WORDS_BYTES,
             "this machine's clock is %s %s the CA's clock, which decides when certificates begin "
             "and end; correct it, and keep it correct with NTP",
             apart, skew->told_ms > 0 ? "behind" : "ahead of");
}

static void on_dated(void *arg, const struct http_dated *dated)
{
    struct clock_skew *watch = arg;
    const struct skew skew = measure_skew(dated);
    enum skew_news news = news_of(&skew, watch->told_ms);
    char words[CLOCK_SKEW_WORDS_BYTES];
    const struct event_number skew_s = EVENT_NUMBER(skew.ahead_ms / 1000);

    if (news == SKEW_NO_NEWS)
        return;
    watch->told_ms = watch->known_ms = news == SKEW_APART ? skew.ahead_ms : 0;
    clock_skew_words(watch, words);
    if (news == SKEW_APART)
        event_emit(&(struct event){.kind = EVENT_CLOCK_SKEW, .skew_s = skew_s}, "%s", words);
    else
        event_emit(&(struct event){.kind = EVENT_CLOCK_AGREES, .skew_s = skew_s},
                   "this machine's clock agrees with the CA's again");
}

void clock_skew_step(struct clock_skew *skew, int64_t by_s)
{
    if (skew->known_ms != 0)
        skew->known_ms -= by_s * 1000;
    if (llabs(skew->known_ms) <= WARN_MS)
        skew->known_ms = 0;
}

void clock_skew_watch(struct clock_skew *skew, struct http_loop *http)
{
    http_loop_watch_dates(http, on_dated, skew);
}
