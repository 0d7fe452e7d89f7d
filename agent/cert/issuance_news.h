/*
 * issuance_news - what issuance does about news of the CA
 *
 * None of it proves anything by itself: another issuer, or a serial number on a list, makes a
 * certificate be asked for early.
 */
#ifndef LEAFD_CERT_ISSUANCE_NEWS_H
#define LEAFD_CERT_ISSUANCE_NEWS_H

#include "ca/ca.h"
#include "cert/issuance.h"

/*
 * issuance_take_issuer - the CA was seen to name that issuer
 *
 * What a look tells proves nothing. Another issuer makes a certificate be asked for early: whose
 * leaf comes is who signs for us. Ends the wait after a failure. Tells whether the look is to be
 * confirmed soon. Only what waits is touched: what is on its way is looked at next time.
 */
bool issuance_take_issuer(struct issuance *issuance, const struct ca_named_issuer *named);

/* issuance_take_revoked - replaces the published certificate, if it has that serial number */
void issuance_take_revoked(struct issuance *issuance, const char *serial);

/* issuance_take_list - looks for the published certificate on its issuer's revocation list, beside
 * whatever goes on; `serial` as above */
void issuance_take_list(struct issuance *issuance, const char *serial, struct crl_shared *list);

#endif
