/*
 * wall_timer - a moment on the wall clock, or a wait, whichever comes first
 *
 * Certificates are due by the wall clock, waits after failures go by the boot clock. All timers of
 * an event loop share one kernel timer and two heaps, one ordered by each clock. So 10,000
 * certificates cost no descriptor and no wake-up of their own, and a step of the clock moves none
 * of them. The kernel timer runs on the boot clock, sleeps an hour at most, and is computed again
 * when the clock is set: a step makes nothing ring early, and nothing be missed.
 */
#ifndef LEAFD_CERT_WALL_TIMER_H
#define LEAFD_CERT_WALL_TIMER_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `reached` tells that the wall-clock moment has come; else the wait is over. */
typedef void wall_timer_rings(void *arg, bool reached);

struct schedule;

/* Initialise with {0}. The address is kept: it must not move while it is open. */
struct wall_timer {
    struct schedule *schedule; /* of all timers of this loop */
    uint64_t moment_s;         /* wall clock; 0: none */
    uint64_t until_us;         /* boot clock; 0: none */
    uint32_t wall_place;       /* in the heap of moments, from 1; 0: not in it */
    uint32_t boot_place;       /* in the heap of waits */
    wall_timer_rings *rings;
    void *arg;
};

/* wall_timer_open - makes it ready, not set; borrows `loop`; fails with class local */
bool wall_timer_open(struct wall_timer *timer, sd_event *loop, wall_timer_rings *rings, void *arg,
                     struct err *err);

/* wall_timer_close - gives back what it holds; {0} is fine */
void wall_timer_close(struct wall_timer *timer);

/* wall_timer_set - rings once at `moment_s`, or after `wait_ms`; 0 for neither leaves that one out
 */
void wall_timer_set(struct wall_timer *timer, uint64_t moment_s, uint64_t wait_ms);

/* wall_timer_hasten - a wait that is under way is over after `wait_ms` at the latest */
void wall_timer_hasten(struct wall_timer *timer, uint64_t wait_ms);

/* wall_timer_recompute - the clock was set; once for all timers of the loop is enough */
void wall_timer_recompute(struct wall_timer *timer);

#endif
