/*
 * posture - the warnings of `leafd check` on what works but is unwise, by id
 *
 * The one table of their ids: `ignore = ID` names them, and leafd.ini(5) explains each, which
 * tests/shape checks. Who finds one writes its text.
 */
#ifndef LEAFD_BASE_POSTURE_H
#define LEAFD_BASE_POSTURE_H

#include <stdint.h>

/* In the order of posture_ids. */
enum posture {
    /* seen in a section: plan/lint */
    POSTURE_TTL_UNSET,
    POSTURE_TTL_SHORT,
    POSTURE_TTL_LONG,
    POSTURE_NO_MARGIN,
    POSTURE_WILDCARD,
    POSTURE_UNDERSCORE,
    POSTURE_ANY_ADDRESS,
    POSTURE_SPIFFE_CASE,
    POSTURE_URI_SCHEME,
    POSTURE_WEAK_KEY,
    POSTURE_KEY_REUSED,
    POSTURE_KEY_SENT,
    POSTURE_KEY_GROUP,
    POSTURE_NO_TRUST_ANCHOR,
    POSTURE_NO_RELOAD,
    POSTURE_NO_PROOF,
    /* seen on this machine: app/configuration, app/check */
    POSTURE_CREDENTIAL_MISSING,
    POSTURE_CREDENTIAL_READABLE,
    POSTURE_FILE_EXPIRED,
    POSTURE_OTHERS_WRITE,
    POSTURE_FOREIGN_FILES,
    POSTURE_CA_SPREAD,
    POSTURE_CLOCK_SKEW,
    /* seen in the published certificate: app/check */
    POSTURE_NO_CRL_ADDRESS,
    /* seen at the CA: plan/fit, plan/fit_identity, plan/fit_posture, app/check_online */
    POSTURE_LIFE_CUT,
    POSTURE_LEASED,
    POSTURE_NOT_STORED,
    POSTURE_ROLE_TTL,
    POSTURE_ROLE_NAMES,
    POSTURE_POLICY_BYPASS,
    POSTURE_CA_LEFT_OUT,
    POSTURE_ISSUER_ROOT,
    POSTURE_ISSUER_NAMES,
    POSTURE_ISSUER_PATH,
    POSTURE_ISSUER_KEY,
    POSTURE_COUNT /* at most 64: a set of them is a mask */
};

/* The ids, such as "ttl-long", then NULL. */
extern const char *const posture_ids[POSTURE_COUNT + 1];

/* posture_bit - the bit of that id in a mask */
uint64_t posture_bit(enum posture id);

#endif
