/*
 * backoff - how long to wait before the next try
 *
 * The one place that turns a class of failure into a wait. The wait grows with the failures and is
 * drawn with full jitter. While a certificate is valid it is never longer than a sixteenth of the
 * time that is left of it (or lifetime / 720, where that is more), nor than 30 minutes: the nearer
 * the expiry, the more urgent. While none is valid it is never longer than an eighth of the
 * lifetime, nor than 7 minutes, or 30 for what a person must repair. It is never shorter than a
 * second. Pure: reads no clock, does no I/O, and cannot overflow.
 */
#ifndef LEAFD_PLAN_BACKOFF_H
#define LEAFD_PLAN_BACKOFF_H

#include "base/err.h"

#include <stdint.h>

enum {
    BACKOFF_MOST_S = 30 * 60,   /* no wait is longer */
    BACKOFF_BOOTING_S = 10 * 60 /* so long after the boot a machine has just_booted */
};

struct backoff_state {
    unsigned failures;      /* in a row, this one included: at least 1 */
    uint64_t lifetime_s;    /* of the certificate, or asked for; 0: not known, taken as a day */
    uint64_t remaining_s;   /* what is left of it; 0: nothing, or there is none */
    uint32_t retry_after_s; /* what the CA asked for; 0: nothing */
    bool just_booted;       /* the machine, and then perhaps all of them */
};

/*
 * backoff_wait_ms - milliseconds until the next try
 *
 * `random` is a random number, evenly spread over uint32_t. Retry-After is obeyed up to 24 minutes
 * and up to a quarter of the remaining time, and jittered on top by the wait that the failures call
 * for, at least a quarter of it. When the machine has just booted no wait is shorter than 5 s.
 */
uint64_t backoff_wait_ms(enum err_kind kind, const struct backoff_state *state, uint32_t random);

/*
 * backoff_patience_ms - the longest that others' failures may put off a try, in milliseconds
 *
 * The upper end of its own waits, whatever the number of failures: at least a second.
 */
uint64_t backoff_patience_ms(const struct backoff_state *state);

/*
 * backoff_resume_ms - what is left of a wait that was kept on disk, by the wall clock
 *
 * 0 if it is over, or longer than any wait can be: then the clock has been set back since.
 */
uint64_t backoff_resume_ms(uint64_t try_again_at_s, uint64_t now_s);

/* What is known of the process before this one, and of those before it. */
struct backoff_restart {
    bool in_order;     /* it ended because it was told to */
    bool changed;      /* credentials, CA files or what is asked for are others since */
    unsigned in_a_row; /* starts within BACKOFF_RESTARTS_WITHIN_S, this one included */
};

enum {
    BACKOFF_RESTARTS_MOST = 3, /* more in a row are a loop, however orderly each of them ends */
    BACKOFF_RESTARTS_WITHIN_S = 10 * 60
};

/*
 * backoff_outlives_restart - whether a wait that an earlier process left holds for this one
 *
 * It keeps a crash loop from hammering the CA. A person who restarts leafd, or repairs what was
 * wrong, wants to see now whether it works.
 */
bool backoff_outlives_restart(const struct backoff_restart *restart);

/*
 * backoff_suspects_role - whether a failure has repeated so often that the role may be its cause
 *
 * The CA answers 500 while it is out of order (an audit device that is full, a cluster without a
 * leader), which repairs itself, and 500 for a role or mount that is set wrongly (Vault,
 * path_issue_sign: no default issuer configured). The two cannot be told apart: the class, and with
 * it the wait, stays the one of what repairs itself, and only the words name both.
 */
bool backoff_suspects_role(const struct err *err, unsigned failures);

#endif
