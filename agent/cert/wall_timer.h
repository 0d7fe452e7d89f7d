/*
 * wall_timer - a timer on the wall clock and on the boot clock, whichever rings first
 *
 * Renewals are due by the wall clock; waits after failures use the boot clock. All timers of an
 * event loop share one kernel timer and two heaps, one for each clock. So 10,000 certificates need
 * no descriptors or wake-ups of their own, and a step of the clock moves no timer. The kernel timer
 * runs on the boot clock, for an hour at most, and is computed again when the clock is set, so that
 * a step makes no timer early or late.
 */
#ifndef LEAFD_CERT_WALL_TIMER_H
#define LEAFD_CERT_WALL_TIMER_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `reached`: the wall-clock time has come; else the wait is over. */
typedef void wall_timer_rings(void *arg, bool reached);

struct schedule;

/* Initialise with {0}. It must not move in memory while it is open. */
struct wall_timer {
    struct schedule *schedule; /* of the loop */
    uint64_t moment_s;         /* wall clock; 0: none */
    uint64_t until_us;         /* boot clock; 0: none */
    uint32_t wall_place;       /* in the heap of wall times, from 1; 0: not in it */
    uint32_t boot_place;       /* in the heap of waits, likewise */
    wall_timer_rings *rings;
    void *arg;
};

/* wall_timer_open - initialises it, not set; borrows `loop`; fails with class local */
bool wall_timer_open(struct wall_timer *timer, sd_event *loop, wall_timer_rings *rings, void *arg,
                     struct err *err);

/* wall_timer_close - ends it; {0} is fine */
void wall_timer_close(struct wall_timer *timer);

/* wall_timer_set - rings once at `moment_s` (since 1970) or after `wait_ms`; 0: not by that
 * clock */
void wall_timer_set(struct wall_timer *timer, uint64_t moment_s, uint64_t wait_ms);

/* wall_timer_hasten - shortens a wait under way to `wait_ms` at most */
void wall_timer_hasten(struct wall_timer *timer, uint64_t wait_ms);

/* wall_timer_recompute - adapts to a clock that was set; one call serves all timers of the loop */
void wall_timer_recompute(struct wall_timer *timer);

#endif
