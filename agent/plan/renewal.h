/*
 * renewal - computes when a certificate is due for renewal
 *
 * The time is drawn once per certificate from a window of its lifetime, by a stable hash instead of
 * a random number: a restart computes the same time, and a fleet that was issued in one second is
 * renewed over hours. Pure: reads no clock, does no I/O.
 *
 * The default window is 40%..55% for lifetimes up to 10 days and 50%..67% above. A certificate of
 * 24 hours then survives a CA outage of ten hours. Renewing at half the lifetime instead of nine
 * tenths doubles the load, which is a few requests a second for 100,000 agents.
 */
#ifndef LEAFD_PLAN_RENEWAL_H
#define LEAFD_PLAN_RENEWAL_H

#include "base/cert_request.h"
#include "base/clock.h"

/*
 * renewal_due_s - the time from which the certificate is due, in seconds since 1970
 *
 * `issued_s` is when it was issued, by our own clock: CAs backdate notBefore (Vault by 30 s), which
 * would put a certificate of 20 s past any window at once. It is ignored outside the validity.
 * `spread` is uniform over uint32_t (digest_spread). The result always lies inside the lifetime,
 * and after its start: no clock and no rule makes a new certificate due.
 */
uint64_t renewal_due_s(const struct validity *life, uint64_t issued_s,
                       const struct renewal_rule *rule, uint32_t spread);

/* renewal_life_is_cut - whether a certificate lives for less than 90 % of the requested time */
bool renewal_life_is_cut(uint64_t asked_s, uint64_t given_s);

/* renewal_is_near_end - whether an issuer expires within three lifetimes of its certificates */
bool renewal_is_near_end(uint64_t issuer_left_s, uint64_t life_s);

/* renewal_start_s - the start of the useful lifetime: issued_s if it lies inside, else notBefore */
uint64_t renewal_start_s(const struct validity *life, uint64_t issued_s);

#endif
