/*
 * cert_evidence - fields of events that serve as evidence: of an issuance, and of a proof
 */
#ifndef LEAFD_CERT_CERT_EVIDENCE_H
#define LEAFD_CERT_CERT_EVIDENCE_H

#include "base/event.h"
#include "cert/cert_work.h"

/* cert_evidence_or_none - the text; NULL for "" */
const char *cert_evidence_or_none(const char *text);

/* cert_evidence_of_proof - adds what the proof that is reported has seen; borrows from `work` */
void cert_evidence_of_proof(const struct cert_work *work, struct event *event);

/* cert_evidence_of_request - adds what the CA was asked for, and by which request; likewise */
void cert_evidence_of_request(const struct cert_work *work, struct event *event);

#endif
