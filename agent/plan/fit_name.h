/*
 * fit_name - decides whether a role of the PKI engine allows a name
 *
 * Follows validateNames, validateURISAN, go-glob and identitytpl of Vault and OpenBao, and gives
 * the reason. Pure.
 */
#ifndef LEAFD_PLAN_FIT_NAME_H
#define LEAFD_PLAN_FIT_NAME_H

#include "plan/terms.h"

/* What texts are made in; `no_memory` stays once one could not be made. */
struct fit_texts {
    struct arena *arena;
    bool no_memory;
};

/* fit_say - a formatted text in the arena; "" if memory ran out */
const char *fit_say(struct fit_texts *texts, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum name_verdict {
    NAME_ALLOWED,
    NAME_UNDECIDED,     /* a template or the token's display name may allow it */
    NAME_WILDCARD,      /* allow_wildcard_certificates is false */
    NAME_WILDCARD_FORM, /* no role accepts that wildcard */
    NAME_NO_HOSTNAME,   /* enforce_hostnames */
    NAME_BARE,          /* one of allowed_domains itself, and allow_bare_domains is false */
    NAME_SUBDOMAIN,     /* below one of allowed_domains, and allow_subdomains is false */
    NAME_GLOB,          /* matches a glob of allowed_domains, and allow_glob_domains is false */
    NAME_LOCALHOST,     /* allow_localhost is false */
    NAME_DOMAIN         /* outside all of allowed_domains */
};

/* fit_name - the verdict on a DNS name, common name or mail address */
enum name_verdict fit_name(const struct role_terms *role, const char *whole);

/* fit_name_uri - the verdict on a URI: allowed, undecided or NAME_DOMAIN */
enum name_verdict fit_name_uri(const struct role_terms *role, const char *uri);

/* fit_name_ip - the verdict on an address against allowed_ip_sans_cidr: allowed or NAME_DOMAIN */
enum name_verdict fit_name_ip(const struct role_terms *role, const char *address);

/* fit_name_is_host - whether the engine takes the text for a host name, also one with a wildcard */
bool fit_name_is_host(const char *name);

/* fit_name_value - the identity's value for a name of `length` bytes; NULL: none */
const char *fit_name_value(const struct identity_terms *identity, const char *name, size_t length);

/*
 * fit_name_fill - expands the role's templates for the identity behind the token
 *
 * *ret_role is the role with expanded templates. A template of a value that the identity lacks
 * becomes "", which allows nothing, as at the CA; one that cannot be decided here stays. With an
 * unknown identity all stay. Texts are in the arena, or the role's own. False if memory ran out.
 */
bool fit_name_fill(const struct role_terms *role, const struct identity_terms *identity,
                   struct arena *arena, struct role_terms *ret_role);

#endif
