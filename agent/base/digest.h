/*
 * digest - SHA-256 fingerprints, and a stable hash that spreads a fleet
 *
 * A thin wrapper of OpenSSL's EVP: only digest_hex, at the end, reports a failure.
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

/* digest_add - adds `length` bytes; digest_hex reports a failure */
void digest_add(struct digest *digest, const void *data, size_t length);

/* digest_hex - ends the digest, in lower-case hex, and frees it; fails with class local */
bool digest_hex(struct digest *digest, char to[static DIGEST_HEX_BYTES], struct err *err);

/* digest_drop - frees a digest that was not ended; also the release for CLEANUP */
void digest_drop(struct digest *digest);

/*
 * digest_spread - a hash of the texts, uniform over uint32_t
 *
 * `texts` ends with NULL. It staggers a fleet without a coordinator: every certificate derives its
 * renewal time from this hash instead of a random number, so that a restart gives the same time.
 */
uint32_t digest_spread(const char *const *texts);

#endif
