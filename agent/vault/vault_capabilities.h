/*
 * vault_capabilities - what the token may do, asked before it matters
 *
 * POST sys/capabilities-self, which the default policy allows. For `leafd check --online`.
 */
#ifndef LEAFD_VAULT_VAULT_CAPABILITIES_H
#define LEAFD_VAULT_VAULT_CAPABILITIES_H

#include "base/text.h"
#include "vault/vault_call.h"

/*
 * vault_capabilities_start - asks for what the token may do on each of `paths`
 *
 * Borrows all during the call only. *ret_reply belongs to the caller.
 */
struct slot *vault_capabilities_start(const struct vault_client *client, const struct secret *token,
                                      const struct text_list *paths, struct vault_reply *ret_reply,
                                      slot_done *on_done, void *arg, struct err *err);

/* vault_capability_has - whether the reply grants `capability` (or root) on `path` */
bool vault_capability_has(const struct vault_reply *reply, const char *path,
                          const char *capability);

#endif
