/*
 * jwt - signed tokens such as Kubernetes gives to service accounts
 *
 * Compact JWS (RFC 7515) with ES256 or RS256, whichever fits the key. Refusals are in the words of
 * the library that Vault's kubernetes and jwt methods share.
 */
#ifndef DEVCA_JWT_H
#define DEVCA_JWT_H

#include "base/arena.h"

#include <jansson.h>
#include <openssl/evp.h>

#include <stdbool.h>

/* What is demanded of the claims. */
struct jwt_demands {
    const char *subject;  /* NULL: any */
    const char *audience; /* that one of its audiences must be */
    bool may_be_undated;  /* it needs neither iat nor nbf nor exp */
};

/* jwt_open - the claims of a token whose signature is right; else NULL, and why in *ret_why */
json_t *jwt_open(struct arena *arena, const char *token, EVP_PKEY *key, const char **ret_why);

/* jwt_refusal - why the claims do not satisfy, or NULL if they do */
const char *jwt_refusal(const json_t *claims, const struct jwt_demands *demands);

/* jwt_sign - a token with these claims, signed with ES256, in the arena */
const char *jwt_sign(struct arena *arena, const json_t *claims, EVP_PKEY *key);

#endif
