/*
 * cert_log - emits the events of one certificate
 *
 * It has one function for each event, so that all texts are in one file and the state machines stay
 * short. A persistent failure is reported when it changes (plan/urgency); every other try is an
 * event for the debug log. `expiring` and `expired` are emitted when the time comes, even without a
 * try.
 */
#ifndef LEAFD_CERT_CERT_LOG_H
#define LEAFD_CERT_CERT_LOG_H

#include "cert/cert_work.h"

/* cert_log_found - a valid certificate is on disk; the CA is not asked */
void cert_log_found(struct cert_work *work);

/* cert_log_unchanged - the issuers of the CA were read, and they are the published ones; for
 * [trust] */
void cert_log_unchanged(struct cert_work *work);

/* cert_log_kept - another agent has the set and keeps it fresh; `who` says which one */
void cert_log_kept(const struct cert_work *work, const struct err *who);

/* cert_log_damaged - files, names or links of the set are not as leafd made them */
void cert_log_damaged(const struct cert_work *work, const char *what);

/* cert_log_new_key - a key is made although key_rotation is never; `why` follows "because" */
void cert_log_new_key(const struct cert_work *work, const char *why);

/* cert_log_wanted - a certificate is needed, or files must be rewritten, because of work->reason */
void cert_log_wanted(struct cert_work *work, const char *what);

/* cert_log_held - the staged certificate is not valid yet */
void cert_log_held(const struct cert_work *work);

/* cert_log_published - the new generation is published */
void cert_log_published(struct cert_work *work);

/* cert_log_reloaded - the reload lines succeeded */
void cert_log_reloaded(struct cert_work *work);

/* The wait after a failure that is not repeated, since only an operator wanted the try. */
#define CERT_LOG_NOT_REPEATED UINT64_MAX

/* cert_log_failed - issuance failed; the next try is in `wait_ms` */
void cert_log_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms);

/* cert_log_waits - after a restart the wait of the previous process continues for `wait_ms` */
void cert_log_waits(struct cert_work *work, const struct err *err, uint64_t wait_ms);

/*
 * cert_log_consumer_failed - the reload failed, or the consumer does not serve the leaf
 *
 * The next try is in `wait_ms`. If the consumer was never there, the event is `awaited`.
 */
void cert_log_consumer_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms);

/* cert_log_withdrawn - the published certificate was revoked and is not replaced */
void cert_log_withdrawn(const struct cert_work *work);

/* cert_log_proven - the consumer serves the published leaf */
void cert_log_proven(struct cert_work *work);

/* cert_log_proof_lost - the consumer has stopped serving the published leaf */
void cert_log_proof_lost(struct cert_work *work, const struct err *err);

/* cert_log_rolled_back - the consumer refused the new generation; `err` says why */
void cert_log_rolled_back(struct cert_work *work, const struct err *err);

/* cert_log_rollback_failed - the rollback did not help; `err` says why */
void cert_log_rollback_failed(const struct cert_work *work, const struct err *err);

/* cert_log_renewed_early - the renewal was moved forward; work->early_renewal says why */
void cert_log_renewed_early(const struct cert_work *work);

/* cert_log_issued - the CA issued a certificate that passed vet; also emits new advice about it */
void cert_log_issued(struct cert_work *work, const struct issued *issued);

/* cert_log_link_failed - a link outside the set could not be made; nothing if `err` is ERR_NONE */
void cert_log_link_failed(const struct cert_work *work, const struct err *err);

/* cert_log_bug - a machine got an event that its state does not expect */
void cert_log_bug(const struct cert_work *work, const char *machine, int state, int event);

#endif
