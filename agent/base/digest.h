/*
 * digest - SHA-256, as a fingerprint of files and as a source of stable spread
 *
 * A thin cover over OpenSSL's EVP that cannot fail half-way through a caller: a digest that could
 * not be computed says so once, at the end.
 */
#ifndef LEAFD_BASE_DIGEST_H
#define LEAFD_BASE_DIGEST_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX_BYTES = 2 * DIGEST_BYTES + 1 };

/* A digest being computed; initialise with {0}, end with digest_hex. */
struct digest {
    struct evp_md_ctx_st *context;
    bool failed;
};

/* digest_add - goes on with `length` more bytes; a failure is remembered for digest_hex */
void digest_add(struct digest *digest, const void *data, size_t length);

/* digest_hex - ends the digest, in lower-case hex, and frees it; fails with class local */
bool digest_hex(struct digest *digest, char to[static DIGEST_HEX_BYTES], struct err *err);

/* digest_drop - frees a digest that was not ended; also the release for CLEANUP */
void digest_drop(struct digest *digest);

/*
 * digest_spread - a number that is always the same for the same texts, and evenly spread
 *
 * `texts` ends with NULL. What staggers a fleet without a coordinator: every certificate draws its
 * moment from this instead of from a random number, so that a restart draws the same one.
 */
uint32_t digest_spread(const char *const *texts);

#endif
