#include "base/arena.h"

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each block is twice as large as the previous one: when a large configuration is freed, large
 * holes stay, which can be used again. */
enum { BLOCK_LEAST_BYTES = 2048, BLOCK_MOST_BYTES = 65536 };

struct arena_block {
    struct arena_block *older;
    size_t used, size;
    max_align_t memory[];
};

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    struct arena_block *block = NULL;
    size_t least = BLOCK_LEAST_BYTES;

    if (arena->newest != NULL)
        least = arena->newest->size >= BLOCK_MOST_BYTES / 2 ? BLOCK_MOST_BYTES
                                                            : 2 * arena->newest->size;
    if (size < least)
        size = least;
    if (size > SIZE_MAX - sizeof *block)
        return NULL;
    block = calloc(1, sizeof *block + size);
    if (block == NULL) {
        shortage_note(ENOMEM);
        return NULL;
    }
    block->size = size;
    block->older = arena->newest;
    arena->newest = block;
    return block;
}

/* `alignment` is a power of two. */
static void *take(struct arena *arena, size_t bytes, size_t alignment)
{
    struct arena_block *block = arena->newest;
    size_t from = block == NULL ? 0 : (block->used + alignment - 1) & ~(alignment - 1);

    if (block == NULL || from > block->size || block->size - from < bytes) {
        block = add_block(arena, bytes);
        from = 0;
    }
    if (block == NULL)
        return NULL;
    block->used = from + bytes;
    return (unsigned char *)block->memory + from;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    return take(arena, bytes, _Alignof(max_align_t));
}

char *arena_copy_part(struct arena *arena, const char *text, size_t length)
{
    char *copy = length == SIZE_MAX ? NULL : take(arena, length + 1, 1);

    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

char *arena_copy(struct arena *arena, const char *text)
{
    return arena_copy_part(arena, text, strlen(text));
}

char *arena_vformat(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    char *text = NULL;
    int length;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    if (length >= 0)
        text = take(arena, (size_t)length + 1, 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vformat(arena, format, args);
    va_end(args);
    return text;
}

void *arena_append(struct arena *arena, void *items_at, size_t *count, size_t size)
{
    void **items = items_at;
    unsigned char *grown = arena_take(arena, (*count + 1) * size);

    if (grown == NULL)
        return NULL;
    if (*count > 0)
        memcpy(grown, *items, *count * size);
    *items = grown;
    return grown + (*count)++ * size;
}

void arena_free(struct arena *arena)
{
    while (arena->newest != NULL) {
        struct arena_block *block = arena->newest;

        arena->newest = block->older;
        free(block);
    }
}
