/*
 * vault_log_out - the end of the session, at the exit
 *
 * The token in use is revoked, and that of a login under way when its reply comes: it would live
 * on for its lease, and nobody would know of it.
 */
#ifndef LEAFD_CA_VAULT_LOG_OUT_H
#define LEAFD_CA_VAULT_LOG_OUT_H

#include "ca/vault_token.h"

/*
 * vault_log_out_start - revokes what this process has of tokens
 *
 * Borrows `token` until the slot is dropped. Ends within the timeout of [vault]: with class
 * transient after that, else as the revocation. Ends well if there is nothing to revoke, or if a
 * certificate was leased with the token. Fails with class local.
 */
struct slot *vault_log_out_start(struct vault_token *token, slot_done *on_done, void *arg,
                                 struct err *err);

#endif
