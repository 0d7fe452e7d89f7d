#include "base/shortage.h"

#include <jansson.h>
#include <openssl/crypto.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of the thread, not of the program: jobs of several certs run side by side. */
static _Thread_local int noted;

void shortage_note(int errnum)
{
    if (errnum == ENOMEM || errnum == EMFILE || errnum == ENFILE)
        noted = errnum;
}

void shortage_forget(void)
{
    noted = 0;
}

int shortage_noted(void)
{
    return noted;
}

static void *note_if_none(void *block)
{
    if (block == NULL)
        shortage_note(ENOMEM);
    return block;
}

void *shortage_malloc(size_t bytes)
{
    return note_if_none(malloc(bytes));
}

void *shortage_calloc(size_t count, size_t bytes)
{
    return note_if_none(calloc(count, bytes));
}

void *shortage_realloc(void *block, size_t bytes)
{
    return note_if_none(realloc(block, bytes == 0 ? 1 : bytes));
}

char *shortage_strdup(const char *text)
{
    return note_if_none(strdup(text));
}

static void *openssl_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return shortage_malloc(bytes);
}

static void *openssl_realloc(void *block, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return shortage_realloc(block, bytes);
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

bool shortage_watch_libraries(void)
{
    json_set_alloc_funcs(shortage_malloc, free);
    return CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1;
}
