/*
 * vault_ca - what everybody may know about an issuer: its revocation list and its chain
 *
 * GET MOUNT/issuer/REF/crl and MOUNT/issuer/REF/json; neither needs a token. REF is "default" where
 * the operator pins no issuer.
 */
#ifndef LEAFD_VAULT_VAULT_CA_H
#define LEAFD_VAULT_VAULT_CA_H

#include "base/text.h"
#include "vault/vault_call.h"

/*
 * vault_ca_list_start - asks for an issuer's revocation list
 *
 * `issuer` is NULL for the default one. Borrows all during the call only; *ret_reply belongs to the
 * caller. Failures as vault_call_start.
 */
struct slot *vault_ca_list_start(const struct vault_client *client, const char *mount,
                                 const char *issuer, struct vault_reply *ret_reply,
                                 slot_done *on_done, void *arg, struct err *err);

/* vault_ca_list - the list as PEM, which lives in the reply; NULL if there is none */
const char *vault_ca_list(const struct vault_reply *reply);

/* vault_ca_chain_start - asks for an issuer's certificate and those above it */
struct slot *vault_ca_chain_start(const struct vault_client *client, const char *mount,
                                  const char *issuer, struct vault_reply *ret_reply,
                                  slot_done *on_done, void *arg, struct err *err);

/* vault_ca_chain - those certificates as one PEM text in the arena; NULL if there are none, or
 * memory ran out */
const char *vault_ca_chain(const struct vault_reply *reply, struct arena *arena);

#endif
