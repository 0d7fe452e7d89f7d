#include "base/secret.h"

#include "base/shortage.h"

#include <jansson.h>
#include <openssl/crypto.h>

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

bool secret_copy(struct secret *secret, const void *bytes, size_t length, struct err *err)
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

static void *note_if_none(void *block)
{
    if (block == NULL)
        shortage_note(ENOMEM);
    return block;
}

void *secret_malloc(size_t bytes)
{
    return note_if_none(malloc(bytes));
}

void *secret_calloc(size_t count, size_t bytes)
{
    return note_if_none(calloc(count, bytes));
}

void secret_free(void *block)
{
    if (block != NULL)
        explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

void *secret_realloc(void *block, size_t bytes)
{
    size_t old = block == NULL ? 0 : malloc_usable_size(block);
    void *moved;

    if (bytes <= old && bytes != 0)
        return block;
    moved = secret_malloc(bytes == 0 ? 1 : bytes);
    if (moved == NULL)
        return NULL;
    if (block != NULL) {
        memcpy(moved, block, old < bytes ? old : bytes);
        secret_free(block);
    }
    return moved;
}

char *secret_strdup(const char *text)
{
    return note_if_none(strdup(text));
}

static void *openssl_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return secret_malloc(bytes);
}

static void *openssl_realloc(void *block, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return secret_realloc(block, bytes);
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    secret_free(block);
}

bool secret_wipe_libraries(void)
{
    json_set_alloc_funcs(secret_malloc, secret_free);
    return CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1;
}
