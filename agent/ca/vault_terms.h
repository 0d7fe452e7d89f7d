/*
 * vault_terms - reads the CA's rules for certificates from its replies
 *
 * Mount, role, issuer and identity under the names of plan/terms.h. Pure.
 */
#ifndef LEAFD_CA_VAULT_TERMS_H
#define LEAFD_CA_VAULT_TERMS_H

#include "ca/vault_call.h"
#include "plan/terms.h"

/* vault_capability_has - whether the reply grants `capability` (or root) on `path` */
bool vault_capability_has(const struct vault_reply *reply, const char *path,
                          const char *capability);

/* vault_describe_missing - whether a failed read says that the role or issuer does not exist; for a
 * missing issuer the CA answers 500 */
bool vault_describe_missing(const struct err *err);

/*
 * vault_mount_read - converts a reply to terms and marks them as known
 *
 * Texts are copied into `arena`. Missing fields get the engine's default. Fails with class local if
 * memory ran out.
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
 * `mount` is that of the login, below auth/; NULL: not known.
 */
bool vault_identity_read(const struct vault_reply *reply, const char *mount, struct arena *arena,
                         struct identity_terms *ret_terms, struct err *err);

#endif
