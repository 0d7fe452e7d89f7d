#include "plan/difference.h"

const char *difference_between(const struct request_facts *published,
                               const struct request_facts *wanted)
{
    if (!names_equal(&published->wish.names, &wanted->wish.names))
        return "names changed";
    if (published->wish.key_type != wanted->wish.key_type)
        return "key type changed";
    if (published->wish.usage != wanted->wish.usage)
        return "usage changed";
    if (published->wish.ttl_s != wanted->wish.ttl_s)
        return "ttl changed";
    if (!text_equal(published->pki_mount, wanted->pki_mount))
        return "PKI mount changed";
    if (!text_equal(published->pki_role, wanted->pki_role))
        return "PKI role changed";
    if (!text_equal(published->issuer, wanted->issuer))
        return "issuer changed";
    if (published->key_from_ca != wanted->key_from_ca)
        return "key source changed";
    return NULL;
}
