#include "base/posture.h"

const char *const posture_ids[POSTURE_COUNT + 1] = {
    [POSTURE_TTL_UNSET] = "ttl-unset",
    [POSTURE_TTL_SHORT] = "ttl-short",
    [POSTURE_TTL_LONG] = "ttl-long",
    [POSTURE_NO_MARGIN] = "no-margin",
    [POSTURE_WILDCARD] = "wildcard",
    [POSTURE_UNDERSCORE] = "underscore",
    [POSTURE_ANY_ADDRESS] = "any-address",
    [POSTURE_SPIFFE_CASE] = "spiffe-case",
    [POSTURE_URI_SCHEME] = "uri-scheme",
    [POSTURE_WEAK_KEY] = "weak-key",
    [POSTURE_KEY_REUSED] = "key-reused",
    [POSTURE_KEY_SENT] = "key-sent",
    [POSTURE_KEY_GROUP] = "key-group",
    [POSTURE_NO_TRUST_ANCHOR] = "no-trust-anchor",
    [POSTURE_NO_RELOAD] = "no-reload",
    [POSTURE_NO_PROOF] = "no-proof",
    [POSTURE_CREDENTIAL_MISSING] = "credential-missing",
    [POSTURE_CREDENTIAL_READABLE] = "credential-readable",
    [POSTURE_FILE_EXPIRED] = "file-expired",
    [POSTURE_OTHERS_WRITE] = "others-write",
    [POSTURE_FOREIGN_FILES] = "foreign-files",
    [POSTURE_CA_SPREAD] = "ca-spread",
    [POSTURE_CLOCK_SKEW] = "clock-skew",
    [POSTURE_NO_CRL_ADDRESS] = "no-crl-address",
    [POSTURE_LIFE_CUT] = "life-cut",
    [POSTURE_LEASED] = "leased",
    [POSTURE_NOT_STORED] = "not-stored",
    [POSTURE_ROLE_TTL] = "role-ttl",
    [POSTURE_ROLE_NAMES] = "role-names",
    [POSTURE_POLICY_BYPASS] = "policy-bypass",
    [POSTURE_CA_LEFT_OUT] = "ca-left-out",
    [POSTURE_ISSUER_ROOT] = "issuer-root",
    [POSTURE_ISSUER_NAMES] = "issuer-names",
    [POSTURE_ISSUER_PATH] = "issuer-path",
    [POSTURE_ISSUER_KEY] = "issuer-key",
};

_Static_assert(POSTURE_COUNT <= 64, "a set of ids is a mask of 64 bits");

uint64_t posture_bit(enum posture id)
{
    return UINT64_C(1) << id;
}
