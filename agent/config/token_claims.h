/*
 * token_claims - what a ServiceAccount token says about the pod it was made for
 *
 * The claims of the JWT are read, not verified: the token is our own, and the CA verifies it at
 * every login. They only save the operator from writing namespace and ServiceAccount twice. See the
 * Kubernetes documentation, "Managing Service Accounts", bound tokens.
 */
#ifndef LEAFD_CONFIG_TOKEN_CLAIMS_H
#define LEAFD_CONFIG_TOKEN_CLAIMS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts live in the arena they were read into; what the token does not say is NULL. */
struct token_claims {
    const char *namespace, *service_account, *pod;
};

/* token_claims_read - reads the token file; fails with class local if it is no such token */
bool token_claims_read(const char *token_file, struct arena *arena, struct token_claims *ret_claims,
                       struct err *err);

enum { CLAIMS_TEXT_BYTES = 256 };

/*
 * token_claims_tell - what a JWT says of itself, for a login that was denied
 *
 * Whose it is, for which audience, and when it ends; never the token. False, with nothing written,
 * if it is no JWT.
 */
bool token_claims_tell(const char *token, uint64_t now_s, char to[static CLAIMS_TEXT_BYTES]);

#endif
