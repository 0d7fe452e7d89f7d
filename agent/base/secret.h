/*
 * secret - bytes that must not leave the process: private keys, tokens
 *
 * They live in OpenSSL's secure heap: locked into memory, kept out of core dumps, wiped when freed.
 * A secret has one owner; its cleanup wipes it. Only the few functions that must pass the bytes on
 * (to a request's header or body, or a key file) read them, through secret_expose. See
 * OPENSSL_secure_malloc(3).
 *
 * Libraries copy secrets to the common heap. So secret.c also defines the program's free() and
 * realloc(), which wipe every block that is freed.
 */
#ifndef LEAFD_BASE_SECRET_H
#define LEAFD_BASE_SECRET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Initialise with {0}. `bytes` is terminated by a NUL that does not count in `length`. */
struct secret {
    char *bytes;
    size_t length;
};

/*
 * secret_heap_open - sets up the secure heap, once, before any secret or key is made
 *
 * `bytes` is a power of two and the most that all secrets together may take. *ret_locked tells
 * whether the kernel let us lock it (RLIMIT_MEMLOCK); without the lock it still works, but may
 * reach swap. Fails with class local.
 */
bool secret_heap_open(size_t bytes, bool *ret_locked, struct err *err);

/*
 * secret_copy - replaces the content of `secret` by a copy of `length` bytes; the source is
 * unchanged
 *
 * base/hide replaces these bytes in foreign texts from now on.
 */
bool secret_copy(struct secret *secret, const void *bytes, size_t length, struct err *err);

/* secret_keep - the same for a message of which only a part is secret; base/hide does not learn it
 */
bool secret_keep(struct secret *secret, const void *bytes, size_t length, struct err *err);

/* secret_expose - the bytes themselves, still owned by the secret; callers are listed in HACKING.md
 */
const char *secret_expose(const struct secret *secret);

/* secret_move - moves the content of `from`, which is empty afterwards, to `to`, whose old content
 * is wiped */
void secret_move(struct secret *to, struct secret *from);

/* secret_same - whether two secrets hold the same bytes; takes the same time for any of one length
 */
bool secret_same(const struct secret *a, const struct secret *b);

/* secret_wipe - wipes and frees; an empty secret is fine; also the release for CLEANUP */
void secret_wipe(struct secret *secret);

#endif
