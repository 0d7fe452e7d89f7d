/*
 * config_expand - ${...} in values
 *
 * ${env.NAME}, ${host.name}, ${cert.name}, ${cert.directory}, ${k8s.namespace},
 * ${k8s.service_account}, ${k8s.pod}. An undefined name is an error, never an empty text; $${
 * stands for a plain ${. An expansion adds neither items nor words: values that hold several are
 * taken apart first. The directory is known to the keys that follow it in config_keys: files and
 * what the consumer is told, as templates need it.
 */
#ifndef LEAFD_CONFIG_CONFIG_EXPAND_H
#define LEAFD_CONFIG_CONFIG_EXPAND_H

#include "base/arena.h"
#include "config/config.h"
#include "config/config_trust.h"
#include "config/token_claims.h"

#include <stdbool.h>

/* What expansions are drawn from. The token file is read at the first ${k8s...}, once. */
struct config_scope {
    struct arena *arena;               /* what stays */
    struct arena scratch;              /* what is of use until the section is filled */
    const char *cert_name;             /* in `arena`; NULL outside a certificate's section */
    const char *const *cert_directory; /* likewise; NULL is there until it is read */
    const struct auth_config *auth;    /* tells where the ServiceAccount token is */
    bool claims_read;
    struct token_claims claims;
    const char *claims_problem; /* why they could not be read */
    const char *item;           /* of a list: the one being parsed, as it is written; or NULL */
    struct config_trust trust;
};

/* Where Kubernetes puts a pod's token unless the pod says otherwise. */
extern const char config_service_account_token[];

/*
 * config_expand - replaces every ${...}
 *
 * Writes *ret_text, which lives in the scope's arena, and returns NULL; or returns what is wrong.
 * The whole may have 4096 bytes.
 */
const char *config_expand(struct config_scope *scope, const char *text, const char **ret_text);

/* config_expand_for_now - the same into the scope's scratch, for what is understood at once */
const char *config_expand_for_now(struct config_scope *scope, const char *text,
                                  const char **ret_text);

#endif
