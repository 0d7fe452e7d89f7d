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

#endif
