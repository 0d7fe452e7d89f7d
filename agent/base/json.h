/*
 * json - complete JSON texts, and values at a path
 *
 * json_dumps(3) of jansson 2.14 silently leaves out a key if memory runs out. json_text allocates
 * the memory beforehand.
 */
#ifndef LEAFD_BASE_JSON_H
#define LEAFD_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>

/* json_text - the value as text, with the flags of json_dumps; malloc()ed; NULL if memory ran out,
 * or for NULL */
char *json_text(const json_t *json, size_t flags);

/*
 * json_words - a text from outside, or one that may have been cut, as a JSON string
 *
 * JSON is UTF-8: if the text is not, every byte outside ASCII becomes '?'. Otherwise one path in
 * another encoding would make the whole document fail. NULL if memory ran out.
 */
json_t *json_words(const char *words);

/*
 * A path such as certificates[*].cert_chain[0].serial_number: dots separate names, [N] is the Nth
 * item of an array, from 0 on, and [*] is each item. A path cannot express a name with a dot or a
 * bracket, and has at most 255 bytes.
 */

/* json_path_valid - whether the text is a path */
bool json_path_valid(const char *path);

/* Called for each value at the path; true ends the search. */
typedef bool json_path_visitor(const json_t *value, void *arg);

/* json_path_any - whether the visitor returns true for a value at a valid path */
bool json_path_any(const json_t *root, const char *path, json_path_visitor *visit, void *arg);

#endif
