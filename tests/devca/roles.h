/*
 * roles - what may be signed, and who may log in
 *
 * Read from an INI file: [role NAME] has the rules of a role of Vault's PKI engine under the names
 * that they have there, with Vault's defaults; [auth NAME] is a role of the auth methods, one for
 * all of them. Without a file there is one permissive role of either kind, both called leafd.
 */
#ifndef DEVCA_ROLES_H
#define DEVCA_ROLES_H

#include "base/text.h"
#include "config/config_problems.h"

#include <stdbool.h>
#include <stdint.h>

struct pki_role {
    struct pki_role *next;
    const char *name;
    struct text_list allowed_domains;
    struct text_list allowed_uri_sans; /* with * for any text; empty: none */
    /* the templates: {{identity.entity.aliases.ACCESSOR.metadata.KEY}}, ACCESSOR as entity.h has it
     */
    bool allow_any_name, allow_bare_domains, allow_glob_domains, allow_ip_sans, allow_localhost,
        allow_subdomains, allow_wildcard_certificates, allowed_domains_template,
        allowed_uri_sans_template, client_flag, enforce_hostnames, no_store, require_cn,
        server_flag, use_csr_common_name, use_csr_sans;
    bool generate_lease;       /* as if it were leased: only the reply says so */
    const char *issuer_ref;    /* NULL: the default one */
    const char *key_type;      /* any, rsa, ec or ed25519 */
    uint64_t key_bits;         /* the least; 0: Vault's own */
    uint64_t ttl_s, max_ttl_s; /* 0: what the mount has */
    uint64_t not_before_duration_s;
};

struct auth_role {
    struct auth_role *next;
    const char *name;
    const char *bound_subject; /* NULL: any */
    uint64_t token_ttl_s, token_max_ttl_s;
    /* `policy`: all; sign, which reads no roles and issuers; none, whose tokens may only ask about
     * themselves */
    enum policy { POLICY_ALL, POLICY_SIGN, POLICY_NONE } policy;
    uint64_t token_num_uses; /* 0: any number */
};

struct roles {
    struct arena arena;
    struct pki_role *pki;
    struct auth_role *auth; /* in the order of the file; the first is that of approle and cert */
};

/* roles_read - the roles of `file`, or the built-in ones if it is NULL; what is wrong is added to
 * `problems` */
void roles_read(struct roles *roles, const char *file, struct config_problems *problems);

/* roles_pki - a role by name, or NULL */
const struct pki_role *roles_pki(const struct roles *roles, const char *name);

/* roles_pin - the role signs by that issuer from now on; false if there is none of that name */
bool roles_pin(struct roles *roles, const char *name, const char *issuer_ref);

/* roles_auth - a login role by name, or NULL */
const struct auth_role *roles_auth(const struct roles *roles, const char *name);

#endif
