/*
 * vault_describe - reads rights, mounts, roles and issuers that a token may see
 *
 * For `leafd check --online`; issuing a certificate does not need it. A path that was read is not
 * read again.
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

#include "ca/vault_token.h"

/* The paths that have been read. */
struct vault_survey;

/* vault_survey_new - a survey without results; NULL if memory ran out */
struct vault_survey *vault_survey_new(void);

/* vault_survey_free - frees the survey and the terms that it gave; NULL is fine */
void vault_survey_free(struct vault_survey *survey);

/*
 * vault_describe_start - reads the rules for this certificate
 *
 * `token` has logged in. One request reads the rights for all certificates of its configuration.
 * Borrows all arguments until the slot is dropped; only one call at a time. *ret_terms points into
 * the survey; it is filled as far as the CA answered, also after a failure. Fails as the request
 * for the rights does, with class untrusted for an issuer without a certificate, and with class
 * local. Other rules that the CA does not disclose are no failure.
 */
struct slot *vault_describe_start(struct vault_survey *survey, struct vault_token *token,
                                  const struct cert_config *cert, struct ca_terms *ret_terms,
                                  slot_done *on_done, void *arg, struct err *err);

#endif
