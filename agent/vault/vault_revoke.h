/*
 * vault_revoke - takes a certificate back
 *
 * POST MOUNT/revoke with the serial number. Not revoke-with-key: that would send the private key.
 */
#ifndef LEAFD_VAULT_VAULT_REVOKE_H
#define LEAFD_VAULT_VAULT_REVOKE_H

#include "vault/vault_call.h"

/*
 * vault_revoke_start - revokes the certificate of that serial number
 *
 * Borrows all during the call only. Revoking twice is fine with the CA. Class refused for a serial
 * that it does not store (no_store roles). *ret_reply belongs to the caller.
 */
struct slot *vault_revoke_start(const struct vault_client *client, const struct secret *token,
                                const char *pki_mount, const char *serial,
                                struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                struct err *err);

#endif
