/*
 * vault_sign - has a CSR signed, and revokes a certificate
 *
 * POST MOUNT/sign/ROLE, or MOUNT/issuer/REF/sign/ROLE if the operator pins an issuer; issue instead
 * of sign if the CA makes the key. Only configured fields are sent: a policy with
 * allowed_parameters refuses others with 403.
 *
 * POST MOUNT/revoke with the serial number, or with the certificate. Not revoke-with-key: that
 * would send the private key.
 */
#ifndef LEAFD_CA_VAULT_SIGN_H
#define LEAFD_CA_VAULT_SIGN_H

#include "ca/ca_kind.h"
#include "ca/vault_call.h"

enum { VAULT_PATH_BYTES = 512 };

/* vault_sign_path - the path below /v1/ that signs this certificate */
void vault_sign_path(const struct cert_config *cert, char to[static VAULT_PATH_BYTES]);

/*
 * vault_sign_start - has a CSR signed, or, if `csr` is NULL, key and certificate made by the CA
 *
 * Borrows client, token, cert and csr during the call only. *ret_signed belongs to the caller, is
 * {0} at the start and filled when on_done runs without an error; vet checks it. Fails as
 * vault_call_start, and with class untrusted for a reply without a certificate.
 */
struct slot *vault_sign_start(const struct vault_client *client, const struct secret *token,
                              const struct cert_config *cert, const char *csr,
                              struct ca_signed *ret_signed, slot_done *on_done, void *arg,
                              struct err *err);

/*
 * vault_revoke_start - revokes the certificate with that serial number
 *
 * If `pem` is not NULL, the certificate itself is sent instead of its serial number. Borrows all
 * arguments during the call only. The CA accepts a second revocation. Class refused for a serial
 * number that the CA does not store (roles with no_store). *ret_reply belongs to the caller.
 */
struct slot *vault_revoke_start(const struct vault_client *client, const struct secret *token,
                                const char *pki_mount, const char *serial, const char *pem,
                                struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                struct err *err);

#endif
