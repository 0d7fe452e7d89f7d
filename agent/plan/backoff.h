/*
 * backoff - computes the wait before the next try
 *
 * The only place that turns a class of failure into a wait. The wait grows with the failures and
 * has full jitter. While a certificate is valid it is at most a sixteenth of its remaining life (or
 * lifetime / 720, if that is more) and at most 30 minutes: tries become more frequent as the expiry
 * comes nearer. While none is valid it is at most an eighth of the lifetime, and at most 7 minutes,
 * or 30 for failures that a person must repair. It is never shorter than a second. Pure: reads no
 * clock, does no I/O, and cannot overflow.
 */
#ifndef LEAFD_PLAN_BACKOFF_H
#define LEAFD_PLAN_BACKOFF_H

#include "base/err.h"

#include <stdint.h>

enum {
    BACKOFF_MOST_S = 30 * 60,   /* no wait is longer */
    BACKOFF_BOOTING_S = 10 * 60 /* time after the boot in which just_booted is set */
};

struct backoff_state {
    unsigned failures;      /* in a row, including this one: at least 1 */
    uint64_t lifetime_s;    /* of the certificate, or as requested; 0: not known, taken as a day */
    uint64_t remaining_s;   /* remaining life; 0: expired, or no certificate */
    uint32_t retry_after_s; /* from the CA's reply; 0: none */
    bool just_booted;       /* the machine has booted, and perhaps the whole fleet with it */
};

/*
 * backoff_wait_ms - milliseconds until the next try
 *
 * `random` is uniform over uint32_t. Retry-After is obeyed up to 24 minutes and up to a quarter of
 * the remaining life; the wait for the failures, at least a quarter of Retry-After, is added as
 * jitter. When the machine has just booted, no wait is shorter than 5 s.
 */
uint64_t backoff_wait_ms(enum err_kind kind, const struct backoff_state *state, uint32_t random);

/*
 * backoff_patience_ms - how long failures of other certificates may delay a try, in milliseconds
 *
 * It is the upper bound of the certificate's own waits for any number of failures, at least a
 * second.
 */
uint64_t backoff_patience_ms(const struct backoff_state *state);

/*
 * backoff_login_ms - how long after a fresh token was denied no other login is tried for the same
 *
 * `patience_ms` is backoff_patience_ms: the result is four of the longest waits, so a quarter of
 * what is left of the certificate, and at most 2 h. A repaired policy holds for the token in use;
 * a policy that is added to the login's role holds for the next token only.
 */
uint64_t backoff_login_ms(uint64_t patience_ms);

/*
 * backoff_back_ms - the longest wait that is left when the CA answers again, in milliseconds
 *
 * A second for a certificate that has ended; a 64th of what is left of one in its last tenth; else
 * no shorter than before the outage ended, so that a fleet's waits keep the load on the CA smooth.
 */
uint64_t backoff_back_ms(const struct backoff_state *state);

/*
 * backoff_resume_ms - the rest of a wait that was kept on disk, by the wall clock
 *
 * 0 if it is over, or longer than any wait can be: then the clock was set back since.
 */
uint64_t backoff_resume_ms(uint64_t try_again_at_s, uint64_t now_s);

/* How previous processes ended. */
struct backoff_restart {
    bool in_order;     /* a signal ended the previous process */
    bool changed;      /* credentials, CA files or the request have changed since */
    unsigned in_a_row; /* starts within BACKOFF_RESTARTS_WITHIN_S, including this one */
};

enum {
    BACKOFF_RESTARTS_MOST = 3, /* more in a row count as a loop, even if each ended in order */
    BACKOFF_RESTARTS_WITHIN_S = 10 * 60
};

/*
 * backoff_outlives_restart - whether the wait of an earlier process applies to this one
 *
 * It keeps a crash loop from hammering the CA. An operator who restarts leafd, or repairs the
 * cause, wants a try at once.
 */
bool backoff_outlives_restart(const struct backoff_restart *restart);

/*
 * backoff_suspects_role - whether a failure has repeated so often that the role may be its cause
 *
 * The CA answers 500 both during an outage that repairs itself (a full audit device, a cluster
 * without a leader) and for a wrong role or mount (Vault, path_issue_sign: no default issuer
 * configured). leafd cannot distinguish them: the class and the wait are those of the outage, and
 * only the text names both causes.
 */
bool backoff_suspects_role(const struct err *err, unsigned failures);

#endif
