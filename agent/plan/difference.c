#include "plan/difference.h"

const char *difference_between(const struct request_facts *published,
                               const struct request_facts *wanted)
{
    if (!names_equal(&published->request.names, &wanted->request.names))
        return "names changed";
    if (published->request.key_type != wanted->request.key_type)
        return "key type changed";
    if (published->request.usage != wanted->request.usage)
        return "usage changed";
    if (published->request.ttl_s != wanted->request.ttl_s)
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
