/*
 * signing - certificates on demand
 *
 * sign takes the client's CSR, issue makes the key as well. The issuer is the default one, or the
 * one that the path names.
 */
#ifndef DEVCA_SIGNING_H
#define DEVCA_SIGNING_H

#include "request.h"

/* signing_sign - POST pki_int/sign/ROLE and pki_int/issuer/REF/sign/ROLE */
handler signing_sign;

/* signing_issue - POST pki_int/issue/ROLE and pki_int/issuer/REF/issue/ROLE */
handler signing_issue;

#endif
