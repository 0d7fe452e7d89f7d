/*
 * config_expand - replaces ${...} in values
 *
 * The names are env.NAME, host.name, cert.name, cert.directory, k8s.namespace, k8s.service_account
 * and k8s.pod. An undefined name is an error and never an empty text. $${ stands for ${. A value
 * that holds several items or words is split before it is expanded, so that an expansion cannot add
 * one. ${cert.directory} is defined only for the keys that follow `directory` in config_keys, such
 * as file and reload, for templates.
 */
#ifndef LEAFD_CONFIG_CONFIG_EXPAND_H
#define LEAFD_CONFIG_CONFIG_EXPAND_H

#include "base/arena.h"
#include "config/config.h"
#include "config/config_trust.h"
#include "config/token_claims.h"

#include <stdbool.h>

/* The sources of expansions. The token file is read once, at the first ${k8s...}. */
struct config_scope {
    struct arena *arena;   /* for what stays with the configuration */
    struct arena scratch;  /* for temporary texts, until the section is filled */
    const char *cert_name; /* allocated in `arena`; NULL outside a [cert NAME] section */
    const char *const *cert_directory; /* likewise; points to NULL until the directory was parsed */
    const struct auth_config *auth;    /* where the ServiceAccount token is */
    bool claims_read;
    struct token_claims claims;
    const char *claims_problem; /* why the token could not be read */
    const char *item;           /* the list item being parsed, as written, for messages; or NULL */
    struct config_trust trust;
};

/* The default path of a pod's ServiceAccount token. */
extern const char config_service_account_token[];

/*
 * config_expand - replaces every ${...} of `text`
 *
 * Writes *ret_text, allocated in the scope's arena, and returns NULL; or returns what is wrong. The
 * result has at most 4096 bytes.
 */
const char *config_expand(struct config_scope *scope, const char *text, const char **ret_text);

/* config_expand_for_now - the same, allocated in the scope's scratch, for a text that is parsed at
 * once */
const char *config_expand_for_now(struct config_scope *scope, const char *text,
                                  const char **ret_text);

#endif
