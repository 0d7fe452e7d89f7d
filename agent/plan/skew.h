/*
 * skew - how far this machine's clock is from the CA's
 *
 * A certificate begins and ends by the CA's clock and is used by ours, so a difference eats from
 * one end of every life. Every reply of the CA tells its time, in whole seconds and at some moment
 * between request and reply: what is known is an interval, and nothing is said that is not certain.
 * Pure.
 */
#ifndef LEAFD_PLAN_SKEW_H
#define LEAFD_PLAN_SKEW_H

#include <stdint.h>

enum { SKEW_WARN_S = 5 }; /* clocks that keep time agree to well below a second */

/* A reply's Date, and when it was written by our clocks. */
struct skew_sample {
    uint64_t date_s;      /* what the CA's clock showed, the part of a second cut off */
    uint64_t received_ms; /* what ours showed when the reply began to arrive */
    uint64_t took_ms;     /* from the request to that moment, on a clock that nobody sets */
};

struct skew {
    int64_t ahead_ms; /* the CA's clock before ours, in the middle of what is possible */
    int64_t error_ms; /* so much more or less at most */
};

enum skew_news {
    SKEW_NO_NEWS,
    SKEW_APART,   /* more than SKEW_WARN_S apart, and that was not told yet */
    SKEW_TOGETHER /* within SKEW_WARN_S again, after it was told otherwise */
};

/* skew_measure - what one reply tells */
struct skew skew_measure(const struct skew_sample *sample);

/*
 * skew_news_of - what of it is worth telling, after `told_ms` was told last; 0: nothing, or that
 * all is well
 *
 * A skew that was told is told again once it has certainly changed by more than a quarter, and by
 * more than SKEW_WARN_S.
 */
enum skew_news skew_news_of(const struct skew *skew, int64_t told_ms);

#endif
