#include "base/bytes.h"

#include "base/err.h"

#include <errno.h>
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
