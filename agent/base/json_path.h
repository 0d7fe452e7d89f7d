/*
 * json_path - finds values in a JSON document
 *
 * A path is written as people point at things: certificates[*].cert_chain[0].serial_number. Names
 * stand apart by dots, [N] is the Nth item of an array, from 0 on, and [*] is each of them. A name
 * with a dot or a bracket in it cannot be written, and a path has at most 255 bytes.
 */
#ifndef LEAFD_BASE_JSON_PATH_H
#define LEAFD_BASE_JSON_PATH_H

#include <jansson.h>

#include <stdbool.h>

/* json_path_valid - whether the text is a path */
bool json_path_valid(const char *path);

/* What looks at a value that the path leads to; true ends the search. */
typedef bool json_path_visitor(const json_t *value, void *arg);

/* json_path_any - whether the visitor says true to a value that a valid path leads to */
bool json_path_any(const json_t *root, const char *path, json_path_visitor *visit, void *arg);

#endif
