#include "plan/lint.h"

#include "base/arena.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { LONG_TTL_S = 7 * 86400, SHORT_TTL_S = 60, LATE_PERCENT = 67 };

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

struct advising {
    struct lint_advice *items;
    size_t count;
};

static void advise(struct advising *advising, bool applies, enum posture id, const char *key,
                   const char *text)
{
    if (applies)
        advising->items[advising->count++] = (struct lint_advice){id, key, text};
}

static void advise_on_names(struct advising *advising, const struct names *names)
{
    advise(advising, has_wildcard(names), POSTURE_WILDCARD, "dns_names",
           "a wildcard name lets one stolen key impersonate every host below it; list the names");
    advise(advising, has_underscore(names), POSTURE_UNDERSCORE, "dns_names",
           "a DNS name holds an underscore: the CA signs it only for a role with "
           "enforce_hostnames = false; write the name without it");
    advise(advising, has_address_of_nobody(names), POSTURE_ANY_ADDRESS, "ip_addresses",
           "0.0.0.0 and :: in ip_addresses stand for any address, and no peer connects to them; "
           "write the machine's own");
    advise(advising, has_capital_trust_domain(names), POSTURE_SPIFFE_CASE, "uris",
           "a trust domain in uris has capital letters, which no SPIFFE ID has: peers may refuse "
           "it; write it in lower case, also at the role");
    advise(advising, has_scheme_near(names, "spiffe"), POSTURE_URI_SCHEME, "uris",
           "a URI has an unknown scheme; did you mean spiffe:?");
    advise(advising, has_scheme_near(names, "https"), POSTURE_URI_SCHEME, "uris",
           "a URI has an unknown scheme; did you mean https:?");
}

/* Lifetime, and when in it the renewal starts. */
static void advise_on_life(struct advising *advising, uint64_t ttl_s,
                           const struct renewal_rule *renewal)
{
    advise(advising, ttl_s == 0, POSTURE_TTL_UNSET, "ttl",
           "ttl is not set: the role's default decides, which may be 32 days; set ttl = 24h");
    advise(advising, ttl_s != 0 && ttl_s < SHORT_TTL_S, POSTURE_TTL_SHORT, "ttl",
           "ttl is under a minute: retries, reload and proof of one renewal take that long; use at "
           "least 5m");
    advise(advising, ttl_s > LONG_TTL_S, POSTURE_TTL_LONG, "ttl",
           "ttl is over 7 days: a stolen key stays usable that long; use 24h, since renewal is "
           "automatic");
    advise(advising, ttl_s != 0 && renewal->before_s != 0 && renewal->before_s < ttl_s / 3,
           POSTURE_NO_MARGIN, "renew_before",
           "renew_before leaves less than a third of the lifetime for an outage of the CA; "
           "renew_at = 40%..55% leaves half");
    advise(advising, renewal->before_s == 0 && renewal->to_percent > LATE_PERCENT,
           POSTURE_NO_MARGIN, "renew_at",
           "renew_at leaves less than a third of the lifetime for an outage of the CA; 40%..55% "
           "leaves half");
}

size_t lint_advise(const struct lint_facts *facts, struct lint_advice ret_advice[LINT_MOST])
{
    const struct cert_request *request = facts->request;
    struct advising advising = {ret_advice, 0};

    advise_on_life(&advising, request->ttl_s, &facts->renewal);
    advise_on_names(&advising, &request->names);
    /* NIST SP 800-57, part 1, table 2: 112 bits of strength. */
    advise(&advising, request->key_type == KEY_RSA_2048, POSTURE_WEAK_KEY, "key_type",
           "key_type = rsa-2048 is the weakest key that leafd makes, and not acceptable after "
           "2030; use ecdsa-p256, or rsa-3072");
    advise(&advising, facts->key_never_rotates, POSTURE_KEY_REUSED, "key_rotation",
           "key_rotation = never keeps one key for ever; use always");
    advise(&advising, facts->key_from_ca, POSTURE_KEY_SENT, "key_source",
           "key_source = vault sends the private key over the network; local keeps it on this "
           "machine");
    advise(&advising, facts->key_for_group, POSTURE_KEY_GROUP, "file",
           "the key is readable by a group; make sure that only the consumer is in it");
    advise(&advising, facts->trusts_what_ca_says, POSTURE_NO_TRUST_ANCHOR, "trust_anchor",
           "ca or truststore is written without trust_anchor: peers trust any CA that signs for "
           "the role; name the CA that they must trust");
    advise(&advising, facts->nothing_reloads, POSTURE_NO_RELOAD, "reload",
           "reload = none: only a consumer that watches its files notices a renewal; set reload");
    advise(&advising, facts->nothing_proves, POSTURE_NO_PROOF, "prove",
           "prove = none: leafd cannot see whether the consumer serves the new certificate; set "
           "prove, such as prove = tls 127.0.0.1:443");
    return advising.count;
}
