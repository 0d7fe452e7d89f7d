/*
 * renewal - when a certificate wants to be replaced
 *
 * The moment is drawn once per certificate out of a window of its life, from a stable hash instead
 * of a random number: a restart draws the same moment, and a fleet that was issued in one second is
 * renewed over hours. Pure: reads no clock, does no I/O.
 *
 * The default window is 40%..55% for lives up to 10 days and 50%..67% above. Early enough that a CA
 * may be away for ten of the 24 hours of a certificate, and cheap: renewing at half the life
 * instead of at nine tenths doubles a load that is a few requests a second for 100,000 agents.
 */
#ifndef LEAFD_PLAN_RENEWAL_H
#define LEAFD_PLAN_RENEWAL_H

#include "base/cert_request.h"
#include "base/clock.h"

/*
 * renewal_due_s - the moment from which the certificate is due, in seconds since 1970
 *
 * `issued_s` is when it was issued by our own clock: CAs date notBefore back (Vault by 30 s), which
 * would put a certificate of 20 s past any window at once. Outside the validity it counts for
 * nothing. `spread` is evenly spread over all of uint32_t (digest_spread). The result always lies
 * inside the life, and after its start: no clock and no rule makes a certificate due when it is
 * new.
 */
uint64_t renewal_due_s(const struct validity *life, uint64_t issued_s,
                       const struct renewal_rule *rule, uint32_t spread);

/* renewal_life_is_cut - whether a certificate is of use for less than 90 % of the time asked for */
bool renewal_life_is_cut(uint64_t asked_s, uint64_t given_s);

/* renewal_is_near_end - whether an issuer lasts less than three lives of what it signs */
bool renewal_is_near_end(uint64_t issuer_left_s, uint64_t life_s);

/* renewal_start_s - when the useful life began: issued_s if it lies inside, else notBefore */
uint64_t renewal_start_s(const struct validity *life, uint64_t issued_s);

#endif
