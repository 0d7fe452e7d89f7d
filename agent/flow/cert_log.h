/*
 * cert_log - what the log says about one certificate
 *
 * One function per event, so that the words stand in one place and the state machine stays
 * readable.
 */
#ifndef LEAFD_FLOW_CERT_LOG_H
#define LEAFD_FLOW_CERT_LOG_H

#include "flow/cert_work.h"

/* cert_log_found - a good certificate is on disk; nothing is asked of the CA */
void cert_log_found(const struct cert_work *work);

/* cert_log_wanted - a certificate is to be issued, or its files written anew, and why */
void cert_log_wanted(const struct cert_work *work, const char *what);

/* cert_log_held - the certificate begins in the future */
void cert_log_held(const struct cert_work *work);

/* cert_log_published - the new set is in place */
void cert_log_published(const struct cert_work *work);

/* cert_log_reloaded - the consumer was told */
void cert_log_reloaded(const struct cert_work *work);

/* cert_log_failed - issuing or publishing failed; the next try is in `wait_ms` */
void cert_log_failed(const struct cert_work *work, const struct err *err, uint64_t wait_ms);

/* cert_log_reload_failed - the consumer could not be told; the next try is in `wait_ms` */
void cert_log_reload_failed(const struct cert_work *work, const struct err *err, uint64_t wait_ms);

/* cert_log_warnings - what the CA warned about in its reply */
void cert_log_warnings(const struct cert_work *work);

/* cert_log_bug - an event came in a state that does not expect it */
void cert_log_bug(const struct cert_work *work, const char *state, int event);

#endif
