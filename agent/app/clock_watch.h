/*
 * clock_watch - notices that the wall clock was set
 *
 * A timerfd with TFD_TIMER_CANCEL_ON_SET (timerfd_create(2)); sd-event has no such timer. By how
 * much it was set is what it went besides the boot clock; the kernel gives notice after a sleep as
 * well, though nothing was set then.
 */
#ifndef LEAFD_APP_CLOCK_WATCH_H
#define LEAFD_APP_CLOCK_WATCH_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stdint.h>

struct clock_watch;

/* What is told: the clock was set forward by so many seconds, or back if it is negative. */
typedef void clock_was_set(void *arg, int64_t by_s);

/* clock_watch_open - calls on_set in the loop whenever the clock was set; fails with class local */
bool clock_watch_open(sd_event *loop, clock_was_set *on_set, void *arg,
                      struct clock_watch **ret_watch, struct err *err);

/* clock_watch_close - ends it; NULL is fine */
void clock_watch_close(struct clock_watch *watch);

#endif
