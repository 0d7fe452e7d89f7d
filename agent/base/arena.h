/*
 * arena - many small allocations with one end
 *
 * A configuration, a record read from disk or a reply of the CA is a web of small strings and
 * arrays that are made together and die together. An arena hands them out of a few blocks and frees
 * them all at once, so that none of them needs an owner of its own. What comes out of an arena
 * lives as long as the arena does and is never freed alone.
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

/* arena_vformat - the same with the arguments in a va_list, which is used up */
char *arena_vformat(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/*
 * arena_append - room for one more item at the end of an array in the arena
 *
 * `items_at` points to the pointer to the items, which moves. NULL if memory ran out: nothing has
 * changed then.
 */
void *arena_append(struct arena *arena, void *items_at, size_t *count, size_t size);

/* arena_free - frees all that came out of the arena, which is empty and usable afterwards */
void arena_free(struct arena *arena);

#endif
