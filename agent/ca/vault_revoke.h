/*
 * vault_revoke - takes a certificate back
 *
 * POST MOUNT/revoke with the serial number, or with the certificate. Not revoke-with-key: that
 * would send the private key.
 */
#ifndef LEAFD_CA_VAULT_REVOKE_H
#define LEAFD_CA_VAULT_REVOKE_H

#include "ca/vault_call.h"

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
