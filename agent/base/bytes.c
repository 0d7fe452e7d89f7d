#include "base/bytes.h"

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 1024 };

static bool grow(struct bytes *bytes, size_t least)
{
    size_t capacity = bytes->capacity == 0 ? FIRST_BYTES : bytes->capacity;
    char *data;

    while (capacity < least)
        capacity *= 2;
    data = malloc(capacity);
    if (data == NULL) {
        shortage_note(ENOMEM);
        return false;
    }
    if (bytes->data != NULL) {
        memcpy(data, bytes->data, bytes->length);
        explicit_bzero(bytes->data, bytes->capacity);
        free(bytes->data);
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

bool bytes_add(struct bytes *bytes, const void *more, size_t length)
{
    if (length > bytes->limit - bytes->length)
        return false;
    if (bytes->length + length + 1 > bytes->capacity && !grow(bytes, bytes->length + length + 1))
        return false;
    memcpy(bytes->data + bytes->length, more, length);
    bytes->length += length;
    bytes->data[bytes->length] = '\0';
    return true;
}

bool bytes_print(struct bytes *bytes, const char *format, ...)
{
    size_t room = bytes->capacity - bytes->length;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(room == 0 ? NULL : bytes->data + bytes->length, room, format, args);
    va_end(args);
    if (room > 0)
        bytes->data[bytes->length] = '\0';
    if (length < 0 || (size_t)length > bytes->limit - bytes->length ||
        ((size_t)length >= room && !grow(bytes, bytes->length + (size_t)length + 1)))
        return false;
    va_start(args, format);
    vsnprintf(bytes->data + bytes->length, (size_t)length + 1, format, args);
    va_end(args);
    bytes->length += (size_t)length;
    return true;
}

const char *bytes_text(const struct bytes *bytes)
{
    return bytes->data == NULL ? "" : bytes->data;
}

void bytes_free(struct bytes *bytes)
{
    if (bytes->data != NULL)
        explicit_bzero(bytes->data, bytes->capacity);
    free(bytes->data);
    *bytes = (struct bytes){.limit = bytes->limit};
}
