/*
 * token_claims - reads the claims of a ServiceAccount token
 *
 * The claims are not verified here: the token is ours, and the CA verifies it at every login. They
 * save the operator from writing namespace and ServiceAccount into the configuration. See "Managing
 * Service Accounts", bound tokens, in the Kubernetes documentation.
 */
#ifndef LEAFD_CONFIG_TOKEN_CLAIMS_H
#define LEAFD_CONFIG_TOKEN_CLAIMS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts are in the arena that they were read into; NULL: the token has no such claim. */
struct token_claims {
    const char *namespace, *service_account, *pod;
};

/*
 * token_claims_read - reads the claims of the token in a file
 *
 * Blocks on the disk. Fails with class local if the file cannot be read or holds no ServiceAccount
 * token.
 */
bool token_claims_read(const char *token_file, struct arena *arena, struct token_claims *ret_claims,
                       struct err *err);

enum { CLAIMS_TEXT_BYTES = 256 };

/*
 * token_claims_tell - describes a JWT for the message of a denied login
 *
 * The text names subject, audience and expiry, never the token. False if it is no JWT; nothing is
 * written then. `now_s` is in seconds since 1970.
 */
bool token_claims_tell(const char *token, uint64_t now_s, char to[static CLAIMS_TEXT_BYTES]);

#endif
