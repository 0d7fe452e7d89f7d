/*
 * vault_describe - what the CA says of itself to a token: rights, mounts, roles and issuers
 *
 * For `leafd check --online`; nothing of it is needed to obtain a certificate. What was read once
 * is not asked again.
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

/* What has been read so far. */
struct vault_survey;

/* vault_survey_new - nothing is known yet; NULL if memory ran out */
struct vault_survey *vault_survey_new(void);

/* vault_survey_free - frees it, and with it the terms that it gave; NULL is fine */
void vault_survey_free(struct vault_survey *survey);

/*
 * vault_describe_start - reads what concerns this certificate
 *
 * `token` has logged in. The rights of all certificates of its configuration are asked for at once.
 * Borrows all until the slot is dropped; one at a time. What *ret_terms points to lives in the
 * survey; it is filled as far as the CA was asked, also after a failure. Fails as the question for
 * the rights does, with class untrusted for an issuer without a certificate, and with class local.
 * What else the CA does not tell is no failure.
 */
struct slot *vault_describe_start(struct vault_survey *survey, struct vault_token *token,
                                  const struct cert_config *cert, struct ca_terms *ret_terms,
                                  slot_done *on_done, void *arg, struct err *err);

#endif
