/*
 * ca_steps - what a certificate does about news from the CA
 *
 * What a look tells proves nothing. Another issuer makes a certificate be asked for early: whose
 * leaf comes is who signs for us. If others may not trust its CA yet, that CA joins the published
 * trust bundle, and the leaf waits until they have had time to do the same.
 */
#ifndef LEAFD_CERT_CA_STEPS_H
#define LEAFD_CERT_CA_STEPS_H

#include "ca/ca_watch.h"
#include "cert/cert_steps.h"

/* What the door asks of a certificate and tells to it, which joins it as its struct cert_work. */
extern const struct ca_watch_listener cert_flow_news;

/*
 * cert_flow_take_issuer - the CA was seen to name that issuer
 *
 * Asks for a certificate early if it is another one, and for what failed at once. Tells whether the
 * look is to be confirmed soon. Only what waits is touched: what is on its way anyway is looked at
 * next time.
 */
bool cert_flow_take_issuer(struct cert_flow *flow, const struct ca_named *named);

/* cert_flow_give_own - the published certificate, if there is one that is worth asking about */
bool cert_flow_give_own(const struct cert_flow *flow, struct ca_own *ret_own);

/* cert_flow_take_revoked - replaces the published certificate, if it has that serial number */
void cert_flow_take_revoked(struct cert_flow *flow, const char *serial);

/* cert_flow_take_list - looks for the published certificate on its issuer's revocation list, beside
 * whatever goes on; `serial` as above */
void cert_flow_take_list(struct cert_flow *flow, const char *serial, const char *pem);

/* step_hold_stranger - what is staged waits until others trust its CA, which is announced now */
step step_hold_stranger;

#endif
