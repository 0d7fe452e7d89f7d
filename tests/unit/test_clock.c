/*
 * Clocks that are set, machines that sleep: the timer and the watch of the clock with a world
 * around them in which all of that takes no time, and what a reply of the CA tells about our clock.
 */
#include "unit.h"

#include "base/clock.h"

#include <systemd/sd-event.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { HOUR = 3600, DAY = 86400, YEAR = 365 * DAY, START = 1800000000 };

/* The clocks of the machine, and the one timer that is armed. */
static struct {
    int64_t wall_s;
    uint64_t boot_us;
    bool armed;
    uint64_t fires_us; /* on the boot clock */
    unsigned wakeups;
    unsigned rings;
    bool reached;
} world;

static uint64_t world_now_s(void)
{
    return world.wall_s < 0 ? 0 : (uint64_t)world.wall_s;
}

static uint64_t world_now_ms(void)
{
    return world_now_s() * 1000;
}

static uint64_t world_boot_us(void)
{
    return world.boot_us;
}

static int arm_in(sd_event_source *source, uint64_t after_us)
{
    (void)source;
    world.fires_us = world.boot_us + after_us;
    return 0;
}

static int enable(sd_event_source *source, int enabled)
{
    (void)source;
    world.armed = enabled != SD_EVENT_OFF;
    return 0;
}

/* The source is nobody's: what is done to it changes the world above. */
static sd_event_time_handler_t fire;
static void *fire_arg;
static unsigned sources;

static int add_timer(sd_event *loop, sd_event_source **ret_source, clockid_t clock,
                     uint64_t after_us, uint64_t accuracy_us, sd_event_time_handler_t on_fire,
                     void *arg)
{
    (void)loop;
    (void)after_us;
    (void)accuracy_us;
    assert_int_equal(clock, CLOCK_BOOTTIME);
    *ret_source = NULL;
    fire = on_fire;
    fire_arg = arg;
    sources++;
    return 0;
}

static int notice_fd;
static struct itimerspec armed_for;
static int armed_flags, arm_errno;
static unsigned arms;

static int make_timer(int clock, int flags)
{
    assert_int_equal(clock, CLOCK_REALTIME);
    assert_true((flags & TFD_NONBLOCK) != 0);
    notice_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return notice_fd;
}

static int set_timer(int fd, int flags, const struct itimerspec *when, struct itimerspec *before)
{
    assert_int_equal(fd, notice_fd);
    assert_null(before);
    armed_for = *when;
    armed_flags = flags;
    arms++;
    errno = arm_errno;
    return arm_errno == 0 ? 0 : -1;
}

/* A timerfd of a clock that was set: timerfd_create(2). */
static ssize_t read_timer(int fd, void *to, size_t size)
{
    if (read(fd, to, size) > 0)
        errno = ECANCELED;
    return -1;
}

#define clock_now_s                       world_now_s
#define clock_now_ms                      world_now_ms
#define clock_boot_us                     world_boot_us
#define sd_event_add_time_relative        add_timer
#define sd_event_source_set_time_relative arm_in
#define sd_event_source_set_enabled       enable
#define timerfd_create                    make_timer
#define timerfd_settime                   set_timer
#define read                              read_timer
#include "app/clock_watch.c"
#include "cert/wall_timer.c"
#undef sd_event_add_time_relative
#undef sd_event_source_set_enabled
#undef read

/* -- the timer ------------------------------------------------------------------------------------
 */

static void on_ring(void *arg, bool reached)
{
    const struct wall_timer *timer = arg;

    assert_true(!reached || timer->moment_s == 0); /* it is not set any more */
    world.rings++;
    world.reached = reached;
}

/* Lets time pass: the timer wakes up whenever its timer fires, as often as it wants. */
static void pass(uint64_t seconds)
{
    uint64_t end_us = world.boot_us + seconds * 1000000;

    while (world.armed && world.fires_us <= end_us) {
        uint64_t fires_us = world.fires_us > world.boot_us ? world.fires_us : world.boot_us;

        world.wall_s += (int64_t)((fires_us - world.boot_us) / 1000000);
        world.boot_us = fires_us;
        world.armed = false;
        world.wakeups++;
        assert_true(world.wakeups < 100000); /* or it spins */
        fire(NULL, fires_us, fire_arg);
    }
    world.wall_s += (int64_t)((end_us - world.boot_us) / 1000000);
    world.boot_us = end_us;
}

/* The machine sleeps: nothing runs, both clocks go on. */
static void suspend(uint64_t seconds)
{
    world.wall_s += (int64_t)seconds;
    world.boot_us += seconds * 1000000;
}

static void new_world(void)
{
    memset(&world, 0, sizeof world);
    world.wall_s = START;
    world.boot_us = 1000000000;
    sources = 0;
}

static void open_timer(struct wall_timer *timer)
{
    struct err err;

    new_world();
    assert_true(wall_timer_open(timer, NULL, on_ring, timer, &err));
}

static void a_moment_is_met_whatever_the_clock_is_set_to(void **state)
{
    static const int64_t steps_s[] = {HOUR, -HOUR, DAY, -DAY, 10LL * YEAR, -10LL * YEAR, 0};

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(steps_s); i++) {
        struct wall_timer timer;
        int64_t step_s = steps_s[i / 2];
        bool is_told = i % 2 == 0; /* a machine that wakes up may not tell */
        int64_t left_s;

        open_timer(&timer);
        wall_timer_set(&timer, START + 12 * HOUR, 0);
        pass(2 * HOUR);
        world.wall_s += step_s;
        if (is_told)
            wall_timer_recompute(&timer);
        left_s = START + 12 * HOUR - world.wall_s;
        if (left_s > 0) {
            /* A day of it is enough to see that it neither rings nor spins. */
            pass(left_s > DAY ? DAY : (uint64_t)left_s - 1);
            assert_int_equal(world.rings, 0);
            assert_in_range(world.wakeups, 0, 2 + 26 + 1);
            world.wall_s = START + 12 * HOUR - 1; /* set right */
            wall_timer_recompute(&timer);
            pass(1);
        } else {
            pass(is_told ? 0 : HOUR);
        }
        assert_int_equal(world.rings, 1);
        assert_true(world.reached);
        pass(10 * DAY);
        assert_int_equal(world.rings, 1);
        wall_timer_close(&timer);
    }
}

static void a_moment_that_was_slept_through_is_met_on_waking(void **state)
{
    struct wall_timer timer;

    (void)state;
    open_timer(&timer);
    wall_timer_set(&timer, START + 12 * HOUR, 0);
    pass(HOUR / 2);
    suspend(3 * DAY);
    pass(0);
    assert_int_equal(world.rings, 1);
    assert_true(world.reached);
    wall_timer_close(&timer);
}

static void a_machine_without_a_clock_waits_calmly_until_it_has_one(void **state)
{
    struct wall_timer timer;

    (void)state;
    open_timer(&timer);
    world.wall_s = 10;
    world.boot_us = 10000000;
    wall_timer_set(&timer, START, 0);
    pass(DAY);
    assert_int_equal(world.rings, 0);
    assert_in_range(world.wakeups, 0, 25);
    world.wall_s = START + 5;
    wall_timer_recompute(&timer);
    pass(0);
    assert_int_equal(world.rings, 1);
    wall_timer_close(&timer);
}

static void a_wait_does_not_heed_the_clock(void **state)
{
    struct wall_timer timer;

    (void)state;
    open_timer(&timer);
    wall_timer_set(&timer, 0, 90 * 1000);
    for (int i = 0; i < 89; i++) {
        world.wall_s += i % 2 == 0 ? 10LL * YEAR : -10LL * YEAR;
        wall_timer_recompute(&timer);
        pass(1);
    }
    assert_int_equal(world.rings, 0);
    assert_int_equal(world.wakeups, 0);
    pass(1);
    assert_int_equal(world.rings, 1);
    assert_false(world.reached);
    wall_timer_close(&timer);
}

static void a_wait_can_be_hastened_and_never_drawn_out(void **state)
{
    struct wall_timer timer;

    (void)state;
    open_timer(&timer);
    wall_timer_set(&timer, 0, 600 * 1000);
    wall_timer_hasten(&timer, 900 * 1000);
    wall_timer_hasten(&timer, 5 * 1000);
    pass(4);
    assert_int_equal(world.rings, 0);
    pass(1);
    assert_int_equal(world.rings, 1);
    wall_timer_hasten(&timer, 1000); /* nothing is waited for */
    pass(DAY);
    assert_int_equal(world.rings, 1);
    wall_timer_close(&timer);
}

/* One of many timers: when it is to ring, and how often it did. */
struct one_of_many {
    struct wall_timer timer;
    int64_t at_s; /* on the wall clock */
    unsigned rings;
    struct one_of_many *closes; /* when it rings */
};

static void on_one_of_many(void *arg, bool reached)
{
    struct one_of_many *one = arg;

    (void)reached;
    assert_true(world.wall_s >= one->at_s);
    one->rings++;
    world.rings++;
    if (one->closes != NULL)
        wall_timer_close(&one->closes->timer);
}

static struct one_of_many *open_many(size_t count)
{
    struct one_of_many *many = calloc(count, sizeof *many);
    struct err err;

    assert_non_null(many);
    new_world();
    for (size_t i = 0; i < count; i++)
        assert_true(wall_timer_open(&many[i].timer, NULL, on_one_of_many, &many[i], &err));
    assert_int_equal(sources, 1);
    return many;
}

static void close_many(struct one_of_many *many, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wall_timer_close(&many[i].timer);
    assert_null(schedules);
    free(many);
}

static void many_share_one_timer_of_the_kernel_and_ring_once_each_in_time(void **state)
{
    enum { MANY = 3000 };
    struct one_of_many *many = open_many(MANY);
    uint32_t random = 12345;

    (void)state;
    for (size_t i = 0; i < 4 * MANY; i++) { /* most are set several times */
        struct one_of_many *one;
        uint32_t after_s;

        random = random * 1664525 + 1013904223;
        one = &many[i < MANY ? i : (random >> 8) % MANY];
        random = random * 1664525 + 1013904223;
        after_s = 1 + (random >> 8) % 5000;
        if (i % 3 == 0)
            wall_timer_set(&one->timer, 0, after_s * 1000ULL);
        else
            wall_timer_set(&one->timer, START + after_s, i % 2 == 0 ? 0 : 20000 * 1000);
        one->at_s = START + after_s;
        if (i % 7 == 0) {
            wall_timer_set(&one->timer, 0, 0);
            one->at_s = -1;
        }
    }
    for (int64_t now_s = START; now_s < START + 5001; now_s++) {
        for (size_t i = 0; i < MANY; i++)
            assert_int_equal(many[i].rings, many[i].at_s > 0 && many[i].at_s <= now_s);
        pass(1);
    }
    assert_in_range(world.wakeups, 1000, 5001);
    world.wakeups = 0;
    pass(DAY);
    assert_int_equal(world.wakeups, 0);
    close_many(many, MANY);
}

static void one_that_rings_may_close_others_that_are_due(void **state)
{
    struct one_of_many *many = open_many(40);

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        many[i].closes = &many[39 - i];
        wall_timer_set(&many[i].timer, START + 1, 0);
    }
    pass(2);
    assert_int_equal(world.rings, 20);
    close_many(many, 40);
}

static void many_that_are_due_at_once_leave_the_loop_time_in_between(void **state)
{
    struct one_of_many *many = open_many(1000);

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        wall_timer_set(&many[i].timer, START + 1, 0);
    pass(1);
    assert_int_equal(world.rings, 1000);
    assert_in_range(world.wakeups, 1000 / RINGS_PER_TURN, 1000 / RINGS_PER_TURN + 1);
    close_many(many, 1000);
}

/* -- the watch of the clock -----------------------------------------------------------------------
 */

static unsigned times_told;
static int64_t told_s;

static void on_told(void *arg, int64_t by_s)
{
    (void)arg;
    times_told++;
    told_s = by_s;
}

static void a_clock_that_is_set_is_told_once_with_what_it_was_set_by(void **state)
{
    static const int64_t steps_s[] = {HOUR, -HOUR, DAY, -DAY, 10LL * YEAR, -10LL * YEAR, 0};
    struct clock_watch *watch;
    uint64_t notice = 1;
    sd_event *loop;
    struct err err;

    (void)state;
    new_world();
    arms = times_told = 0;
    assert_true(sd_event_new(&loop) >= 0);
    assert_true(clock_watch_open(loop, on_told, NULL, &watch, &err));
    for (unsigned i = 0; i < COUNT_OF(steps_s); i++) {
        /* Set again while it is armed: that is an answer, not a failure. */
        arm_errno = i % 2 == 0 ? ECANCELED : 0;
        world.wall_s += 7 + steps_s[i];
        world.boot_us += 7000000;
        assert_int_equal(write(notice_fd, &notice, sizeof notice), sizeof notice);
        assert_true(sd_event_run(loop, UINT64_MAX) > 0);
        assert_int_equal(times_told, i + 1);
        assert_int_equal(told_s, steps_s[i]);
        assert_int_equal(arms, i + 2);
        assert_int_equal(armed_flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
        assert_true(armed_for.it_value.tv_sec == END_OF_TIME_S);
        assert_int_equal(sd_event_run(loop, 0), 0);
    }
    arm_errno = 0;
    clock_watch_close(watch);
    sd_event_unref(loop);
}

/* -- the CA's clock -------------------------------------------------------------------------------
 */

static void a_reply_tells_the_skew_as_far_as_it_is_certain(void **state)
{
    static const struct {
        struct http_dated reply;
        int64_t ahead_ms, error_ms;
    } cases[] = {
        /* In the middle of its second, in no time: half a second to each side. */
        {{START, START * 1000ULL + 500, 0}, 0, 500},
        {{START, START * 1000ULL + 999, 0}, -499, 500},
        {{START, START * 1000ULL + 600, 200}, 0, 600},
        /* An hour behind and ahead; a slow reply is worth less. */
        {{START + HOUR, START * 1000ULL + 500, 0}, HOUR * 1000, 500},
        {{START - HOUR, START * 1000ULL + 550, 100}, -HOUR * 1000, 550},
        {{START + 60, START * 1000ULL + 30500, 60000}, 60000, 30500},
        /* A machine in 1970, and one whose clock cannot be shown at all. */
        {{START, 10500, 1000}, START * 1000LL - 9500, 1000},
        {{START, 0, 0}, START * 1000LL + 500, 500},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct skew skew = measure_skew(&cases[i].reply);

        assert_true(skew.ahead_ms == cases[i].ahead_ms);
        assert_true(skew.error_ms == cases[i].error_ms);
    }
}

static void a_skew_is_news_once_and_when_it_changes(void **state)
{
    static const struct {
        struct skew skew;
        int64_t told_ms;
        enum skew_news news;
    } cases[] = {
        {{0, 500}, 0, SKEW_NO_NEWS},
        {{5400, 500}, 0, SKEW_NO_NEWS}, /* it may be 4.9 s */
        {{5501, 500}, 0, SKEW_APART},
        {{-5501, 500}, 0, SKEW_APART},
        {{60000, 58000}, 0, SKEW_NO_NEWS}, /* a reply that took two minutes */
        {{5501, 500}, 5501, SKEW_NO_NEWS},
        {{4700, 500}, 5501, SKEW_NO_NEWS}, /* it may be over 5 s still */
        {{4500, 500}, 5501, SKEW_TOGETHER},
        {{0, 500}, 3600000, SKEW_TOGETHER},
        {{0, 60000}, 3600000, SKEW_NO_NEWS},
        {{11002, 500}, 5501, SKEW_APART},
        {{-5501, 500}, 5501, SKEW_APART},
        {{3600000, 500}, 3598000, SKEW_NO_NEWS},
        {{4400000, 500}, 3600000, SKEW_NO_NEWS},
        {{4501000, 500}, 3600000, SKEW_APART},
        {{2600000, 500}, 3600000, SKEW_APART},
        {{315360000000, 500}, 3600000, SKEW_APART},
        {{-315360000000, 500}, -315360000000, SKEW_NO_NEWS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (news_of(&cases[i].skew, cases[i].told_ms) != cases[i].news)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_met_whatever_the_clock_is_set_to),
        cmocka_unit_test(a_moment_that_was_slept_through_is_met_on_waking),
        cmocka_unit_test(a_machine_without_a_clock_waits_calmly_until_it_has_one),
        cmocka_unit_test(a_wait_does_not_heed_the_clock),
        cmocka_unit_test(a_wait_can_be_hastened_and_never_drawn_out),
        cmocka_unit_test(many_share_one_timer_of_the_kernel_and_ring_once_each_in_time),
        cmocka_unit_test(one_that_rings_may_close_others_that_are_due),
        cmocka_unit_test(many_that_are_due_at_once_leave_the_loop_time_in_between),
        cmocka_unit_test(a_clock_that_is_set_is_told_once_with_what_it_was_set_by),
        cmocka_unit_test(a_reply_tells_the_skew_as_far_as_it_is_certain),
        cmocka_unit_test(a_skew_is_news_once_and_when_it_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
