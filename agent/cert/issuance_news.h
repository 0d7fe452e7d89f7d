/*
 * issuance_news - how issuance reacts to news of the CA
 *
 * News only moves a renewal forward: another issuer, or a serial number on a CRL, is no proof.
 */
#ifndef LEAFD_CERT_ISSUANCE_NEWS_H
#define LEAFD_CERT_ISSUANCE_NEWS_H

#include "ca/ca.h"
#include "cert/issuance.h"

/*
 * issuance_take_issuer - the CA named this issuer
 *
 * Another issuer than that of the published certificate moves the renewal forward; the new leaf
 * then shows which issuer signs for us. Also shortens the wait after a failure. Returns whether the
 * CA should be polled again soon for confirmation. Changes nothing while a certificate is on its
 * way.
 */
bool issuance_take_issuer(struct issuance *issuance, const struct ca_named_issuer *named);

/* issuance_take_revoked - replaces the published certificate, if it has that serial number */
void issuance_take_revoked(struct issuance *issuance, const char *serial);

/* issuance_take_list - starts to search a CRL for the published certificate, if it has that serial
 * number */
void issuance_take_list(struct issuance *issuance, const char *serial, struct crl_shared *list);

#endif
