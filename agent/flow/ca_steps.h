/*
 * ca_steps - what a certificate at rest does about news from the CA
 */
#ifndef LEAFD_FLOW_CA_STEPS_H
#define LEAFD_FLOW_CA_STEPS_H

#include "flow/ca_watch.h"
#include "flow/cert_steps.h"
#include "pki/crl.h"

/* cert_flow_is_of - whether the certificate comes from there */
bool cert_flow_is_of(const struct cert_flow *flow, const struct ca_place *place);

/*
 * cert_flow_take_list - looks for the certificate on its issuer's list
 *
 * Moves the renewal forward if the issuer has changed or the certificate was revoked. Tells whether
 * the new issuer's chain is wanted, to be trusted before its first leaf is shown. Only what waits
 * until it is due is touched: what is on its way anyway is looked at next time.
 */
bool cert_flow_take_list(struct cert_flow *flow, struct crl *crl);

/* cert_flow_take_chain - puts the new issuer's chain into the trust bundle, if it was wanted */
void cert_flow_take_chain(struct cert_flow *flow, const char *pem);

/*
 * step_make_issuer_known - a renewal came from an issuer that others may not trust yet
 *
 * It is not shown: the issuer joins the trust bundle first, here and with everybody who looks at
 * the CA, and another certificate is asked for when they have.
 */
step step_make_issuer_known;

/* step_queue_to_announce - waits for a permit to write the set anew with the new CA in its bundle
 */
step step_queue_to_announce;

/* step_nothing_to_announce - the bundle holds it already */
step step_nothing_to_announce;

#endif
