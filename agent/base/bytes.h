/*
 * bytes - a buffer that grows up to a limit
 *
 * All input of the process (a reply, a file, the output of a command) is read into such a buffer,
 * so that its sender cannot decide how much memory leafd uses. The content may hold a token or a
 * key: it is wiped when it is freed and when the buffer moves.
 */
#ifndef LEAFD_BASE_BYTES_H
#define LEAFD_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* Initialise with {.limit = N}. `data` is terminated by a NUL that does not count, or is NULL. */
struct bytes {
    char *data;
    size_t length, capacity;
    size_t limit; /* the most that `length` may become */
};

/* bytes_add - appends `length` bytes; false, without adding any, above the limit or if memory ran
 * out */
bool bytes_add(struct bytes *bytes, const void *more, size_t length);

/* bytes_print - appends a formatted text; likewise */
bool bytes_print(struct bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* bytes_text - the content as a text; "" if nothing was added */
const char *bytes_text(const struct bytes *bytes);

/* bytes_free - wipes and frees; keeps the limit, so that the buffer can be filled again */
void bytes_free(struct bytes *bytes);

#endif
