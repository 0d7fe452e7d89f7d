/*
 * clock_watch - notices that the wall clock was set, and that it differs from the CA's
 *
 * A timerfd with TFD_TIMER_CANCEL_ON_SET (timerfd_create(2)); sd-event has no such timer. The size
 * of the step is the change of the wall clock relative to the boot clock; the kernel also reports a
 * resume from suspend, which is no step.
 *
 * A certificate begins and ends by the CA's clock and is used by ours, so a difference eats from
 * one end of every life. Every reply of the CA tells its time, in whole seconds and at some moment
 * between request and reply: what is known is an interval, and nothing is said that is not certain.
 */
#ifndef LEAFD_APP_CLOCK_WATCH_H
#define LEAFD_APP_CLOCK_WATCH_H

#include "base/err.h"
#include "http/http_loop.h"

#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stdint.h>

struct clock_watch;

/* Called when the clock was set forward by `by_s` seconds, or back if it is negative. */
typedef void clock_was_set(void *arg, int64_t by_s);

/* clock_watch_open - calls on_set on the loop whenever the clock was set; fails with class local */
bool clock_watch_open(sd_event *loop, clock_was_set *on_set, void *arg,
                      struct clock_watch **ret_watch, struct err *err);

/* clock_tell_step - reports that the clock was set, and that all waits are computed again; a step
 * of 0 is none */
void clock_tell_step(int64_t by_s);

/* clock_watch_close - stops and frees the watch; NULL is fine */
void clock_watch_close(struct clock_watch *watch);

/* -- the CA's clock -------------------------------------------------------------------------------
 */

enum { CLOCK_SKEW_WORDS_BYTES = 256 };

/* Initialise with {0}; lives as long as the loop that it watches. */
struct clock_skew {
    int64_t told_ms;  /* the CA's clock before ours; 0: nothing told */
    int64_t known_ms; /* likewise, after the steps of our clock since; 0: they agree */
};

/* clock_skew_words - what was told last, for people */
void clock_skew_words(const struct clock_skew *skew, char to[static CLOCK_SKEW_WORDS_BYTES]);

/* clock_skew_step - our clock was set forward by `by_s` seconds, or back if it is negative */
void clock_skew_step(struct clock_skew *skew, int64_t by_s);

/* clock_skew_watch - compares the date of every reply in `http` with our clock from now on */
void clock_skew_watch(struct clock_skew *skew, struct http_loop *http);

#endif
