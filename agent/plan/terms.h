/*
 * terms - the CA's rules for certificates: its mount, role and issuer
 *
 * The fields have the names of the PKI engine's options. ca/ reads them, plan/fit compares a
 * section with them.
 */
#ifndef LEAFD_PLAN_TERMS_H
#define LEAFD_PLAN_TERMS_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum terms_known {
    TERMS_NOT_ASKED, /* the policy does not allow it, or the call failed */
    TERMS_MISSING,   /* the CA says that it does not exist */
    TERMS_KNOWN
};

/* The secrets engine. */
struct mount_terms {
    enum terms_known known;
    const char *type;                  /* "pki" */
    uint64_t default_ttl_s, max_ttl_s; /* 0: the server's defaults, which are not known */
};

/* A role of the engine, under the names of its options. */
struct role_terms {
    enum terms_known known;
    const char *not_asked_why; /* if it is not known: the CA's answer */
    struct text_list allowed_domains, allowed_uri_sans, allowed_ip_sans_cidr, allowed_other_sans,
        cn_validations, key_usage, ext_key_usage, ext_key_usage_oids;
    bool knows_networks; /* the server has allowed_ip_sans_cidr: OpenBao */
    bool allow_any_name, allow_bare_domains, allow_glob_domains, allow_ip_sans, allow_localhost,
        allow_subdomains, allow_token_displayname, allow_wildcard_certificates,
        allowed_domains_template, allowed_uri_sans_template, client_flag, code_signing_flag,
        email_protection_flag, enforce_hostnames, generate_lease, no_store, require_cn, server_flag,
        use_csr_common_name, use_csr_sans;
    const char *key_type; /* any, rsa, ec or ed25519 */
    uint64_t key_bits;    /* the least number; 0: the engine's default */
    uint64_t ttl_s, max_ttl_s;
    const char *not_after;  /* "", or a fixed notAfter for every certificate */
    const char *issuer_ref; /* "default" if none is set */
};

/*
 * The identity behind the token: the names that templates of roles may use, such as
 * "identity.entity.aliases.ACCESSOR.metadata.service_account_name", and their values.
 */
struct identity_terms {
    enum terms_known known; /* never TERMS_MISSING: a token without an identity is not known */
    struct text_list names, values;
    const char *accessor; /* of the mount of our login; NULL: not known */
};

enum leaf_not_after { LEAF_ERR, LEAF_TRUNCATE, LEAF_PERMIT, LEAF_NOT_KNOWN };

/* The issuer that the section names, or else the role. */
struct issuer_terms {
    enum terms_known known; /* known: at least its certificate, which is public */
    const char *not_asked_why;
    uint64_t not_after_s;
    enum leaf_not_after leaf_not_after; /* not known if the policy does not allow reading it */
    bool cannot_sign;                   /* its usage lacks issuing-certificates, or it has no key */
    bool is_root, limits_names, limits_path; /* self-signed; name constraints; a path length */
    int key_strength_bits;                   /* NIST SP 800-57, part 1, table 2; 0: not known */
};

#endif
