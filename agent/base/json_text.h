/*
 * json_text - JSON as text, whole or not at all
 *
 * json_dumps(3) of jansson 2.14 leaves out a key when memory runs out while it is written, and goes
 * on. Here the room is taken beforehand.
 */
#ifndef LEAFD_BASE_JSON_TEXT_H
#define LEAFD_BASE_JSON_TEXT_H

#include <jansson.h>

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

#endif
