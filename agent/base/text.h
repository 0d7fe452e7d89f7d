/*
 * text - common functions on strings
 *
 * Text from outside is made printable before a person sees it.
 */
#ifndef LEAFD_BASE_TEXT_H
#define LEAFD_BASE_TEXT_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of texts. Texts and array are allocated in an arena. */
struct text_list {
    const char **items;
    size_t count;
};

/* text_list_add - appends a copy of the first `length` bytes of `item`; false if memory ran out */
bool text_list_add(struct text_list *list, struct arena *arena, const char *item, size_t length);

/*
 * text_list_split - splits `value` at any character of `separators` and appends the items
 *
 * Removes spaces around items. False if memory ran out. An empty item (two separators in a row, or
 * one at the end) is not added and sets *ret_empty.
 */
bool text_list_split(struct text_list *list, struct arena *arena, const char *value,
                     const char *separators, bool *ret_empty);

/* text_list_has - whether an item is equal to `text` */
bool text_list_has(const struct text_list *list, const char *text);

/* text_list_missing - the first of `wanted` that is not in `got`, or NULL */
const char *text_list_missing(const struct text_list *wanted, const struct text_list *got);

/* text_list_equal - whether both lists hold the same set of texts, in any order */
bool text_list_equal(const struct text_list *a, const struct text_list *b);

/* text_equal - whether both are NULL, or equal */
bool text_equal(const char *a, const char *b);

/* text_starts - the rest of `text` after `prefix`, or NULL if it does not begin with it */
const char *text_starts(const char *text, const char *prefix);

/* text_trim - removes white space at both ends, in place; returns the new start */
char *text_trim(char *text);

/* text_number - parses a number of decimal digits, up to `most`; false for anything else */
bool text_number(const char *text, uint64_t most, uint64_t *ret_number);

/*
 * text_printable - makes text from outside printable
 *
 * Control characters and line breaks become spaces, several spaces become one, and bytes outside
 * ASCII become '?'. A text that does not fit ends with "...". `size` is at least 4.
 */
void text_printable(char *to, size_t size, const char *from);

/*
 * text_near - suggests names for a mistyped one, as "a, b or c"
 *
 * The names are at most two edits away (one for typed names of less than five bytes), ignoring
 * case. The nearest come first, at most three. NULL if there is none, or memory ran out.
 */
const char *text_near(struct arena *arena, const char *typed, const char *const *names,
                      size_t count);

/*
 * hex_same - whether two texts are the same hex number
 *
 * Ignores colons, case and leading zeros, since programs write serial numbers and fingerprints
 * differently.
 */
bool hex_same(const char *a, const char *b);

#endif
