#include "plan/lint.h"

#include "base/arena.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { LONG_TTL_S = 30 * 86400, SHORT_TTL_S = 60 };

static bool has_underscore(const struct names *names)
{
    for (size_t i = 0; i < names->dns.count; i++)
        if (strchr(names->dns.items[i], '_') != NULL)
            return true;
    return false;
}

static bool has_wildcard(const struct names *names)
{
    for (size_t i = 0; i < names->dns.count; i++)
        if (strncmp(names->dns.items[i], "*.", 2) == 0)
            return true;
    return false;
}

/* SPIFFE-ID standard, section 2.1: trust domains are in lower case. */
static bool has_capital_trust_domain(const struct names *names)
{
    for (size_t i = 0; i < names->uri.count; i++) {
        const char *at = text_starts(names->uri.items[i], "spiffe://");

        for (; at != NULL && *at != '\0' && *at != '/'; at++)
            if (isupper((unsigned char)*at))
                return true;
    }
    return false;
}

/* Whether a URI's scheme is the usual one with a typing error. */
static bool has_scheme_near(const struct names *names, const char *usual)
{
    struct arena arena = {0};
    bool near = false;

    for (size_t i = 0; i < names->uri.count && !near; i++) {
        const char *uri = names->uri.items[i];
        const char *scheme = arena_copy_part(&arena, uri, strcspn(uri, ":"));

        near = scheme != NULL && strcmp(scheme, usual) != 0 && strcmp(scheme, "http") != 0 &&
               text_near(&arena, scheme, &usual, 1) != NULL;
    }
    arena_free(&arena);
    return near;
}

static bool has_address_of_nobody(const struct names *names)
{
    for (size_t i = 0; i < names->ip.count; i++)
        if (strcmp(names->ip.items[i], "0.0.0.0") == 0 || strcmp(names->ip.items[i], "::") == 0)
            return true;
    return false;
}

static size_t advise_on_names(const struct names *names, const char *ret_advice[])
{
    size_t count = 0;

    if (has_wildcard(names))
        ret_advice[count++] =
            "a wildcard name lets one stolen key impersonate every host below it; list the names";
    if (has_underscore(names))
        ret_advice[count++] = "a DNS name holds an underscore: the CA signs it only for a role "
                              "with enforce_hostnames = false";
    if (has_address_of_nobody(names))
        ret_advice[count++] = "0.0.0.0 and :: in ip_addresses stand for any address, and no peer "
                              "connects to them; write the machine's own";
    if (has_capital_trust_domain(names))
        ret_advice[count++] = "a trust domain in uris has capital letters, which no SPIFFE ID "
                              "has: peers may refuse it; write it in lower case, also at the role";
    if (has_scheme_near(names, "spiffe"))
        ret_advice[count++] = "a URI has an unknown scheme; did you mean spiffe:?";
    if (has_scheme_near(names, "https"))
        ret_advice[count++] = "a URI has an unknown scheme; did you mean https:?";
    return count;
}

size_t lint_advise(const struct lint_facts *facts, const char *ret_advice[LINT_MOST])
{
    const struct cert_request *request = facts->request;
    size_t count = 0;

    if (request->ttl_s == 0)
        ret_advice[count++] = "ttl is not set: the role's default decides, which may be 32 days";
    if (request->ttl_s != 0 && request->ttl_s < SHORT_TTL_S)
        ret_advice[count++] = "ttl is under a minute: retries, reload and proof of one renewal "
                              "take that long; use at least 5m";
    if (request->ttl_s > LONG_TTL_S)
        ret_advice[count++] = "ttl is over 30 days: a stolen key stays usable that long; use 24h, "
                              "since renewal is automatic";
    if (request->ttl_s != 0 && facts->renew_before_s != 0 &&
        facts->renew_before_s < request->ttl_s / 3)
        ret_advice[count++] = "renew_before leaves less than a third of the lifetime for an outage "
                              "of the CA; renew_at = 40%..55% leaves half";
    count += advise_on_names(&request->names, ret_advice + count);
    if (facts->key_never_rotates)
        ret_advice[count++] = "key_rotation = never keeps one key for ever; use always";
    if (facts->key_from_ca)
        ret_advice[count++] = "key_source = vault sends the private key over the network; local "
                              "keeps it on this machine";
    if (facts->key_for_group)
        ret_advice[count++] = "the key is readable by a group; make sure that only the consumer "
                              "is in it";
    if (facts->trusts_what_ca_says)
        ret_advice[count++] = "ca or truststore is written without trust_anchor: peers trust any "
                              "CA that signs for the role; name the CA that they must trust";
    if (facts->nothing_reloads)
        ret_advice[count++] =
            "reload = none: only a consumer that watches its files notices a renewal";
    return count;
}
