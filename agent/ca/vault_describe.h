/*
 * vault_describe - what the CA says of itself to a token: rights, mounts, roles and issuers
 *
 * For `leafd check --online`; nothing of it is needed to obtain a certificate.
 *
 *   rights   POST sys/capabilities-self              which the policy `default` allows
 *   mount    GET  sys/internal/ui/mounts/MOUNT       every token that may use something below it
 *   role     GET  MOUNT/roles/ROLE                   a policy with `read`
 *   issuer   GET  MOUNT/issuer/REF                   a policy with `read`
 *            GET  MOUNT/issuer/REF/json              everybody; the certificate alone
 *   identity GET  auth/token/lookup-self             which the policy `default` allows, as the next
 *            GET  identity/entity/id/ID
 */
#ifndef LEAFD_CA_VAULT_DESCRIBE_H
#define LEAFD_CA_VAULT_DESCRIBE_H

#include "base/text.h"
#include "ca/vault_call.h"
#include "plan/terms.h"

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

/*
 * vault_describe_start - reads one of the paths above
 *
 * Borrows all during the call only. *ret_reply belongs to the caller. Failures as vault_call_start:
 * vault_describe_missing tells those that mean "there is no such thing".
 */
struct slot *vault_describe_start(const struct vault_client *client, const struct secret *token,
                                  const char *path, struct vault_reply *ret_reply,
                                  slot_done *on_done, void *arg, struct err *err);

/* vault_describe_missing - whether a failure to read a role or an issuer says that it is not there;
 * issuers that are not there are answered with 500 */
bool vault_describe_missing(const struct err *err);

/*
 * vault_mount_read - a reply as terms, which become known
 *
 * Texts are copied into `arena`. What the reply lacks has the engine's default. Fails with class
 * local if memory ran out.
 */
bool vault_mount_read(const struct vault_reply *reply, struct arena *arena,
                      struct mount_terms *ret_terms, struct err *err);

/* vault_role_read - the same for a role */
bool vault_role_read(const struct vault_reply *reply, struct arena *arena,
                     struct role_terms *ret_terms, struct err *err);

/* vault_issuer_read - the same for either path of an issuer; fails with class untrusted for a reply
 * without a certificate */
bool vault_issuer_read(const struct vault_reply *reply, struct arena *arena,
                       struct issuer_terms *ret_terms, struct err *err);

/*
 * vault_identity_read - the same for the entity behind the token
 *
 * `mount` is that of the login, below auth/; NULL: none is ours.
 */
bool vault_identity_read(const struct vault_reply *reply, const char *mount, struct arena *arena,
                         struct identity_terms *ret_terms, struct err *err);

#endif
