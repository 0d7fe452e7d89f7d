/*
 * vault_sign - from a CSR to a certificate, and the certificate taken back
 *
 * POST MOUNT/sign/ROLE, or MOUNT/issuer/REF/sign/ROLE where the operator pins an issuer; issue in
 * place of sign where the CA makes the key. Only fields that are configured are sent: a policy with
 * allowed_parameters refuses the others with 403.
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
 * {0} at the start and filled when on_done runs without an error; whether it is any good is for
 * vet. Failures as vault_call_start, class untrusted for a reply without a certificate.
 */
struct slot *vault_sign_start(const struct vault_client *client, const struct secret *token,
                              const struct cert_config *cert, const char *csr,
                              struct ca_signed *ret_signed, slot_done *on_done, void *arg,
                              struct err *err);

/*
 * vault_revoke_start - revokes the certificate of that serial number
 *
 * With `pem` the certificate itself is sent in place of its serial number; NULL: it is not. Borrows
 * all during the call only. Revoking twice is fine with the CA. Class refused for a serial number
 * that the CA does not store (roles with no_store). *ret_reply belongs to the caller.
 */
struct slot *vault_revoke_start(const struct vault_client *client, const struct secret *token,
                                const char *pki_mount, const char *serial, const char *pem,
                                struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                struct err *err);

#endif
