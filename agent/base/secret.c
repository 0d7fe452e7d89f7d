#include "base/secret.h"

#include "base/hide.h"

#include <openssl/crypto.h>

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { SECURE_BLOCK_LEAST_BYTES = 32 };

bool secret_heap_open(size_t bytes, bool *ret_locked, struct err *err)
{
    int made = CRYPTO_secure_malloc_init(bytes, SECURE_BLOCK_LEAST_BYTES);

    if (made == 0)
        return err_set(err, ERR_LOCAL, "cannot set up a secure heap of %zu bytes", bytes);
    *ret_locked = made == 1;
    return true;
}

bool secret_keep(struct secret *secret, const void *bytes, size_t length, struct err *err)
{
    char *copy = OPENSSL_secure_malloc(length + 1);

    if (copy == NULL)
        return err_set(err, ERR_LOCAL, "the secure heap has no %zu bytes left", length + 1);
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    secret_wipe(secret);
    secret->bytes = copy;
    secret->length = length;
    return true;
}

bool secret_copy(struct secret *secret, const void *bytes, size_t length, struct err *err)
{
    if (!secret_keep(secret, bytes, length, err))
        return false;
    hide_learn(secret->bytes, secret->length);
    return true;
}

const char *secret_expose(const struct secret *secret)
{
    return secret->bytes;
}

bool secret_same(const struct secret *a, const struct secret *b)
{
    return a->bytes != NULL && b->bytes != NULL && a->length == b->length &&
           CRYPTO_memcmp(a->bytes, b->bytes, a->length) == 0;
}

void secret_move(struct secret *to, struct secret *from)
{
    struct secret moved = *from;

    *from = (struct secret){0};
    secret_wipe(to);
    *to = moved;
}

void secret_wipe(struct secret *secret)
{
    if (secret->bytes != NULL)
        OPENSSL_secure_clear_free(secret->bytes, secret->length + 1);
    *secret = (struct secret){0};
}

/* -- free() and realloc() -------------------------------------------------------------------------
 *
 * Libraries copy tokens and keys into their own memory, and not all of them accept an allocator:
 * libcurl before 8.11.1 gives none to nghttp2, and the C library has buffers of its own. So the
 * program's free() and realloc() replace the C library's for all of them (malloc(3) permits that)
 * and wipe every block. M_PERTURB of mallopt(3) is not sufficient: it leaves out glibc's per-thread
 * cache. Sanitizers replace both functions themselves.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#define HAS_SANITIZER                                                                              \
    (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                        \
     __has_feature(memory_sanitizer))
#else
#define HAS_SANITIZER 0
#endif

#if !HAS_SANITIZER

static void (*_Atomic next_free)(void *);

/*
 * Runs when the program starts: dlsym(3) may call free() itself, which must not recurse.
 * Constructors of libraries may call free() before.
 */
__attribute__((constructor)) static void find_next_free(void)
{
    void (*found)(void *);

    *(void **)&found = dlsym(RTLD_NEXT, "free");
    next_free = found;
}

static void give_back(void *block)
{
    if (next_free == NULL)
        find_next_free();
    next_free(block);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
__attribute__((visibility("default"))) void free(void *block)
{
    int kept = errno;

    if (block == NULL)
        return;
    explicit_bzero(block, malloc_usable_size(block));
    give_back(block);
    errno = kept;
}

/* Always moves the content itself, so that the old block is wiped. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
__attribute__((visibility("default"))) void *realloc(void *block, size_t bytes)
{
    size_t old = block == NULL ? 0 : malloc_usable_size(block);
    void *moved;

    if (block != NULL && bytes == 0) {
        free(block);
        return NULL;
    }
    if (block != NULL && bytes <= old && bytes >= old / 2)
        return block;
    moved = malloc(bytes);
    if (moved == NULL)
        return NULL;
    if (block != NULL)
        memcpy(moved, block, old < bytes ? old : bytes);
    free(block);
    return moved;
}

#endif
