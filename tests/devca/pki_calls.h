/*
 * pki_calls - what a CA tells about itself and its certificates, and revocation
 *
 * What names no token is open to everybody, as it is in Vault.
 */
#ifndef DEVCA_PKI_CALLS_H
#define DEVCA_PKI_CALLS_H

#include "request.h"

/* pki_ca - GET pki_int/ca: the default issuer in DER */
handler pki_ca;

/* pki_ca_pem - GET pki_int/ca/pem */
handler pki_ca_pem;

/* pki_ca_chain - GET pki_int/ca_chain: PEM, whatever the content type says */
handler pki_ca_chain;

/* pki_certificate - GET pki_int/cert/SERIAL, and the words ca, ca_chain and crl in its place */
handler pki_certificate;

/* pki_mount - GET sys/internal/ui/mounts/MOUNT, with a token that may use something below it: the
 * same 403 for one that may not, and for a mount that is not there */
handler pki_mount;

/* pki_role - GET pki_int/roles/ROLE, with a token: what devca does not know has Vault's default */
handler pki_role;

/* pki_issuer - GET pki_int/issuer/REF, with a token */
handler pki_issuer;

/* pki_issuers - LIST pki_int/issuers */
handler pki_issuers;

/* pki_issuer_json - GET pki_int/issuer/REF/json */
handler pki_issuer_json;

/* pki_issuer_pem - GET pki_int/issuer/REF/pem */
handler pki_issuer_pem;

/* pki_crl - GET pki_int/crl: of the default issuer, in DER */
handler pki_crl;

/* pki_crl_pem - GET pki_int/crl/pem */
handler pki_crl_pem;

/* pki_issuer_crl - GET pki_int/issuer/REF/crl: in PEM, in JSON */
handler pki_issuer_crl;

/* pki_revoke - POST pki_int/revoke */
handler pki_revoke;

#endif
