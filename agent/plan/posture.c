#include "plan/posture.h"

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

size_t posture_advise(const struct posture_facts *facts, const char *ret_advice[POSTURE_MOST])
{
    const struct wish *wish = facts->wish;
    size_t count = 0;

    if (wish->ttl_s == 0)
        ret_advice[count++] = "ttl is not set: the role's default decides, which may be 32 days";
    if (wish->ttl_s != 0 && wish->ttl_s < SHORT_TTL_S)
        ret_advice[count++] = "ttl is under a minute: retries, reload and proof of one renewal "
                              "take that long; 5m is short enough for anything";
    if (wish->ttl_s > LONG_TTL_S)
        ret_advice[count++] = "ttl is over 30 days: a stolen key stays useful that long; 24h is "
                              "cheap when renewal is automatic";
    if (wish->ttl_s != 0 && facts->renew_before_s != 0 && facts->renew_before_s < wish->ttl_s / 3)
        ret_advice[count++] = "renew_before leaves less than a third of the life for an outage of "
                              "the CA; renew_at = 40%..55% leaves half";
    if (has_wildcard(&wish->names))
        ret_advice[count++] = "a wildcard name lets one stolen key speak for every host below it; "
                              "list the names";
    if (has_underscore(&wish->names))
        ret_advice[count++] = "a DNS name holds an underscore: the CA signs it only for a role "
                              "with enforce_hostnames = false";
    if (facts->key_never_rotates)
        ret_advice[count++] = "key_rotation = never keeps one key for good; always costs nothing";
    if (facts->key_from_ca)
        ret_advice[count++] = "key_source = vault sends the private key over the network; local "
                              "keeps it here";
    if (facts->key_for_group)
        ret_advice[count++] = "the key is readable by a group; make sure that only the consumer "
                              "is in it";
    if (facts->trusts_what_ca_says)
        ret_advice[count++] = "ca or truststore is written without trust_anchor: peers trust "
                              "whatever CA signs for the role; name the one that they are to trust";
    if (facts->nothing_reloads)
        ret_advice[count++] = "reload = none: only a consumer that watches its files will see a "
                              "renewal";
    return count;
}
