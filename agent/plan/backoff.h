/*
 * backoff - how long to wait before the next try
 *
 * The one place that turns a class of failure into a wait. The wait grows with the failures, is
 * drawn with full jitter, and is never longer than a sixteenth of the time that the certificate has
 * left, nor than 30 minutes: the nearer the expiry, the more urgent. It is never shorter than a
 * second. Pure: reads no clock, does no I/O, and cannot overflow.
 */
#ifndef LEAFD_PLAN_BACKOFF_H
#define LEAFD_PLAN_BACKOFF_H

#include "base/err.h"

#include <stdint.h>

struct backoff_state {
    unsigned failures;      /* in a row, this one included: at least 1 */
    uint64_t lifetime_s;    /* of the certificate, or asked for; 0: not known, taken as a day */
    uint64_t remaining_s;   /* what is left of it; 0: nothing, or there is none */
    uint32_t retry_after_s; /* what the CA asked for; 0: nothing */
};

/*
 * backoff_wait_ms - milliseconds until the next try
 *
 * `chance` is a random number, evenly spread over uint32_t. Retry-After is obeyed up to 30 minutes
 * and up to a quarter of the remaining time.
 */
uint64_t backoff_wait_ms(enum err_kind kind, const struct backoff_state *state, uint32_t chance);

/*
 * backoff_kind - the class that a failure really has, when its history is known
 *
 * A single 500 of the CA is a hiccup; one that repeats is a misconfiguration that it reports so
 * (reference: vault, path_issue_sign: no default issuer configured).
 */
enum err_kind backoff_kind(const struct err *err, unsigned failures);

#endif
