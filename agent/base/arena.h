/*
 * arena - many small allocations that are freed together
 *
 * A configuration, a record read from disk or a reply of the CA consists of many small strings and
 * arrays with one lifetime. An arena allocates them from a few blocks and frees them all at once,
 * so that none of them needs an owner of its own. Memory of an arena lives as long as the arena and
 * is never freed alone.
 */
#ifndef LEAFD_BASE_ARENA_H
#define LEAFD_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena {
    struct arena_block *newest;
};

/* arena_take - `bytes` zeroed bytes, aligned for any type; NULL if memory ran out */
void *arena_take(struct arena *arena, size_t bytes);

/* arena_copy - a copy of `text`; NULL if memory ran out */
char *arena_copy(struct arena *arena, const char *text);

/* arena_copy_part - a terminated copy of the first `length` bytes of `text`; NULL if memory ran out
 */
char *arena_copy_part(struct arena *arena, const char *text, size_t length);

/* arena_format - a formatted text; NULL if memory ran out */
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* arena_vformat - the same with the arguments in a va_list, which it consumes */
char *arena_vformat(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/*
 * arena_append - room for one more item at the end of an array in the arena
 *
 * `items_at` points to the pointer to the items, which changes. NULL if memory ran out; then
 * nothing has changed.
 */
void *arena_append(struct arena *arena, void *items_at, size_t *count, size_t size);

/* arena_free - frees all memory of the arena, which is empty and usable afterwards */
void arena_free(struct arena *arena);

#endif
