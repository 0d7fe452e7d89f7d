/*
 * clock_watch - notices that the wall clock was set, and that it differs from the CA's
 *
 * A timerfd with TFD_TIMER_CANCEL_ON_SET (timerfd_create(2)); sd-event has no such timer. By how
 * much it was set is what it went besides the boot clock; the kernel gives notice after a sleep as
 * well, though nothing was set then. Every reply of the CA is a measurement of the difference; when
 * it is told stands in plan/skew.
 */
#ifndef LEAFD_APP_CLOCK_WATCH_H
#define LEAFD_APP_CLOCK_WATCH_H

#include "base/err.h"
#include "http/http_loop.h"

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

enum { CLOCK_SKEW_WORDS_BYTES = 256 };

/* Initialise with {0}; lives as long as the loop that it watches. */
struct clock_skew {
    int64_t told_ms; /* the CA's clock before ours; 0: nothing told */
};

/* clock_skew_words - what was told last, for people */
void clock_skew_words(const struct clock_skew *skew, char to[static CLOCK_SKEW_WORDS_BYTES]);

/* clock_skew_watch - from now on the dates of all replies in `http` are looked at */
void clock_skew_watch(struct clock_skew *skew, struct http_loop *http);

#endif
