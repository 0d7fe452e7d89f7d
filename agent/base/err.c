#include "base/err.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[ERR_KIND_COUNT] = {
    [ERR_NONE] = "none",         [ERR_TRANSIENT] = "transient", [ERR_DENIED] = "denied",
    [ERR_REFUSED] = "refused",   [ERR_UNTRUSTED] = "untrusted", [ERR_LOCAL] = "local",
    [ERR_CONSUMER] = "consumer", [ERR_CONFIG] = "config",
};

const char *err_kind_name(enum err_kind kind)
{
    return kind < ERR_KIND_COUNT ? kind_names[kind] : "unknown";
}

__attribute__((format(printf, 3, 0))) static void fill(struct err *err, enum err_kind kind,
                                                       const char *format, va_list args)
{
    char text[ERR_TEXT_BYTES];

    /* Format into a buffer first: an argument may be the text of *err itself. */
    vsnprintf(text, sizeof text, format, args);
    *err = (struct err){.kind = kind};
    memcpy(err->text, text, sizeof text);
}

bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(err, kind, format, args);
    va_end(args);
    return false;
}

static enum err_kind kind_of(enum err_kind kind, int errnum)
{
    static const int shortages[] = {ENOMEM, ENOBUFS, EMFILE, ENFILE, ENOSPC, EDQUOT, EROFS, EIO};

    for (size_t i = 0; i < sizeof shortages / sizeof *shortages; i++)
        if (shortages[i] == errnum)
            return ERR_LOCAL;
    return kind;
}

bool err_errno(struct err *err, enum err_kind kind, int errnum, const char *format, ...)
{
    va_list args;
    size_t used;

    va_start(args, format);
    fill(err, kind_of(kind, errnum), format, args);
    va_end(args);
    err->errnum = errnum;
    shortage_note(errnum);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errnum));
    return false;
}

bool err_memory(struct err *err)
{
    *err = (struct err){.kind = ERR_LOCAL, .errnum = ENOMEM, .text = "out of memory"};
    shortage_note(ENOMEM);
    return false;
}

bool err_shortage(struct err *err)
{
    int errnum = shortage_noted();

    if (errnum == ENOMEM)
        err_memory(err);
    else if (errnum != 0)
        err_errno(err, ERR_LOCAL, errnum, "not everything could be read");
    return errnum != 0;
}

bool err_wrap(struct err *err, const char *format, ...)
{
    char before[ERR_TEXT_BYTES];
    char after[ERR_TEXT_BYTES];
    va_list args;
    size_t used;

    va_start(args, format);
    vsnprintf(before, sizeof before, format, args);
    va_end(args);
    memcpy(after, err->text, sizeof after);
    memcpy(err->text, before, sizeof before);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", after);
    return false;
}

bool err_append(struct err *err, const char *format, ...)
{
    char added[ERR_TEXT_BYTES];
    size_t used = strlen(err->text), length;
    va_list args;

    va_start(args, format);
    vsnprintf(added, sizeof added, format, args);
    va_end(args);
    length = strlen(added);
    if (used + length >= sizeof err->text)
        used = sizeof err->text - 1 - length;
    memcpy(err->text + used, added, length + 1);
    return false;
}

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
