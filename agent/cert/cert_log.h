/*
 * cert_log - the events of one certificate
 *
 * One function per event, so that the words stand in one place and the state machines stay
 * readable. What goes on is told when it changes (plan/urgency); every other try is an event for
 * the debug log. That a certificate is about to end, and that it has ended, is told when it
 * happens, whether a try falls on it or not.
 */
#ifndef LEAFD_CERT_CERT_LOG_H
#define LEAFD_CERT_CERT_LOG_H

#include "cert/cert_work.h"

/* cert_log_found - a good certificate is on disk; nothing is asked of the CA */
void cert_log_found(struct cert_work *work);

/* cert_log_kept - another agent keeps the set, as `who` tells, and has done all */
void cert_log_kept(const struct cert_work *work, const struct err *who);

/* cert_log_damaged - files, names or links of the set are not as leafd left them */
void cert_log_damaged(const struct cert_work *work, const char *what);

/* cert_log_new_key - a key is made although it was not to be rotated, and why */
void cert_log_new_key(const struct cert_work *work, const char *why);

/* cert_log_wanted - a certificate is to be issued, or its files written anew, and why */
void cert_log_wanted(struct cert_work *work, const char *what);

/* cert_log_held - the certificate begins in the future */
void cert_log_held(const struct cert_work *work);

/* cert_log_published - the new set is in place */
void cert_log_published(struct cert_work *work);

/* cert_log_reloaded - the consumer was told */
void cert_log_reloaded(struct cert_work *work);

/* cert_log_failed - issuing or publishing failed; the next try is in `wait_ms` */
void cert_log_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms);

/* cert_log_away - nobody is issued a certificate any more, for the reason in `err` */
void cert_log_away(struct cert_tools *tools, const struct err *err);

/* cert_log_back - that is over, after so many seconds */
void cert_log_back(struct cert_tools *tools, uint64_t after_s);

/* cert_log_waits - after a restart the wait that a failure before it began goes on */
void cert_log_waits(struct cert_work *work, const struct err *err, uint64_t wait_ms);

/*
 * cert_log_consumer_failed - the consumer could not be told, or does not serve the leaf
 *
 * The next try is in `wait_ms`. One that has never been there is awaited.
 */
void cert_log_consumer_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms);

/* cert_log_short_hold - a new issuer's certificate is shown before its peers can all trust it */
void cert_log_short_hold(const struct cert_work *work, uint64_t shown_s);

/* cert_log_withdrawn - what is published was revoked and is not replaced */
void cert_log_withdrawn(const struct cert_work *work);

/* cert_log_proven - the consumer was seen to serve the published leaf */
void cert_log_proven(struct cert_work *work);

/* cert_log_proof_lost - a consumer that served it serves something else by now */
void cert_log_proof_lost(struct cert_work *work, const struct err *err);

/* cert_log_rolled_back - the consumer refused the new set, for the reason in `err` */
void cert_log_rolled_back(struct cert_work *work, const struct err *err);

/* cert_log_rollback_failed - the previous set is no better, for the reason in `err` */
void cert_log_rollback_failed(const struct cert_work *work, const struct err *err);

/* cert_log_renewed_early - the renewal was moved forward, since the CA has changed */
void cert_log_renewed_early(const struct cert_work *work);

/* cert_log_warnings - what the CA warned about in its reply */
void cert_log_warnings(const struct cert_work *work);

/* cert_log_issued - the CA's certificate is good; and what of it is not as one would think, unless
 * that was told of the one before */
void cert_log_issued(struct cert_work *work, const struct issued *issued);

/* cert_log_link_failed - a link elsewhere could not be made; nothing if `err` is none */
void cert_log_link_failed(const struct cert_work *work, const struct err *err);

/* cert_log_leased - the CA leased the certificate with the token */
void cert_log_leased(const struct cert_work *work);

/* cert_log_bug - an event came to a machine in a state that does not expect it */
void cert_log_bug(const struct cert_work *work, const char *machine, int state, int event);

#endif
