/*
 * json - JSON as text, whole or not at all, and values found in it
 *
 * json_dumps(3) of jansson 2.14 leaves out a key when memory runs out while it is written, and goes
 * on. Here the room is taken beforehand.
 */
#ifndef LEAFD_BASE_JSON_H
#define LEAFD_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>

/* json_text - the value as text, with the flags of json_dumps; malloc()ed; NULL if memory ran out,
 * or for NULL */
char *json_text(const json_t *json, size_t flags);

/*
 * json_words - words that came from outside, or may have been cut, as a JSON text
 *
 * JSON is UTF-8: of words that are not, every byte outside ASCII becomes '?'. Without this, one
 * path in another encoding takes a whole document away. NULL if memory ran out.
 */
json_t *json_words(const char *words);

/*
 * A path is written as people point at things: certificates[*].cert_chain[0].serial_number. Names
 * stand apart by dots, [N] is the Nth item of an array, from 0 on, and [*] is each of them. A name
 * with a dot or a bracket in it cannot be written, and a path has at most 255 bytes.
 */

/* json_path_valid - whether the text is a path */
bool json_path_valid(const char *path);

/* What looks at a value that the path leads to; true ends the search. */
typedef bool json_path_visitor(const json_t *value, void *arg);

/* json_path_any - whether the visitor says true to a value that a valid path leads to */
bool json_path_any(const json_t *root, const char *path, json_path_visitor *visit, void *arg);

#endif
