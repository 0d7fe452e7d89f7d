/*
 * clock_skew - tells when this machine's clock and the CA's differ
 *
 * Every reply of the CA is a measurement. What is told stands in plan/skew; here it goes to the
 * log.
 */
#ifndef LEAFD_APP_CLOCK_SKEW_H
#define LEAFD_APP_CLOCK_SKEW_H

#include "http/http_loop.h"

#include <stdint.h>

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
