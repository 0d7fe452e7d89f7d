/*
 * text - the few things done to strings in many places
 *
 * Numbers are parsed whole or not at all; lists live in an arena; what a stranger wrote is made
 * printable before a person reads it.
 */
#ifndef LEAFD_BASE_TEXT_H
#define LEAFD_BASE_TEXT_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of texts; the texts and the array live in the arena they were added from. */
struct text_list {
    const char **items;
    size_t count;
};

/* text_list_add - appends a copy of the first `length` bytes of `item`; false if memory ran out */
bool text_list_add(struct text_list *list, struct arena *arena, const char *item, size_t length);

/*
 * text_list_split - appends the items of `value`, apart by any of `separators`
 *
 * Spaces around an item are dropped. Returns false if memory ran out. An empty item (two separators
 * in a row, or a trailing one) sets *ret_empty and adds nothing.
 */
bool text_list_split(struct text_list *list, struct arena *arena, const char *value,
                     const char *separators, bool *ret_empty);

/* text_list_has - whether an item equals `text` to the letter */
bool text_list_has(const struct text_list *list, const char *text);

/* text_list_missing - the first of `wanted` that is not in `got`, or NULL */
const char *text_list_missing(const struct text_list *wanted, const struct text_list *got);

/* text_list_equal - whether both lists hold the same set of items; the order does not matter */
bool text_list_equal(const struct text_list *a, const struct text_list *b);

/* text_equal - whether both are NULL, or both are the same text */
bool text_equal(const char *a, const char *b);

/* text_starts - the rest of `text` behind `prefix`, or NULL if it does not start so */
const char *text_starts(const char *text, const char *prefix);

/* text_trim - drops white space at both ends, in place; returns where the text starts now */
char *text_trim(char *text);

/* text_number - parses decimal digits only, up to `most`; false for anything else */
bool text_number(const char *text, uint64_t most, uint64_t *ret_number);

/*
 * text_printable - copies text that came from outside for people to read
 *
 * Control characters and line breaks become one space, runs of space shrink to one, bytes outside
 * ASCII become '?', and a text that does not fit is cut with "...". `size` is at least 4.
 */
void text_printable(char *to, size_t size, const char *from);

/*
 * text_near - the names that a mistyped one may have meant, as "a, b or c"
 *
 * Those at most two edits away (one, if the typed name has less than five bytes), capital letters
 * as small ones, the nearest first and at most three. NULL if there is none or memory ran out.
 */
const char *text_near(struct arena *arena, const char *typed, const char *const *names,
                      size_t count);

/*
 * hex_same - whether two texts are the same number in hex, however they are written
 *
 * Programs write serial numbers and fingerprints as they like: with colons or without, in either
 * case, padded with zeros or not.
 */
bool hex_same(const char *a, const char *b);

#endif
