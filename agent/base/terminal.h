/*
 * terminal - the only functions that print a command's output
 *
 * The output may contain text from outside: an error of the CA, a value of the configuration, a
 * process's name. A terminal interprets control characters, and a line break would forge a line of
 * output.
 */
#ifndef LEAFD_BASE_TERMINAL_H
#define LEAFD_BASE_TERMINAL_H

#include <jansson.h>

#include <stdbool.h>
#include <stdio.h>

/*
 * terminal_line - prints one line
 *
 * Control characters and bytes outside ASCII are written as \xNN, credentials as '*' (base/hide).
 * The line break is added. False if it could not be written.
 */
bool terminal_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * terminal_json - prints JSON, indented, as ASCII: what is outside of it is written as \uNNNN
 *
 * Takes texts that terminal_text made. False if it could not be written, or `json` is NULL.
 */
bool terminal_json(FILE *to, const json_t *json);

/* terminal_text - a text as JSON, without credentials; of one that is no UTF-8 what is printable;
 * NULL if memory ran out */
json_t *terminal_text(const char *text);

#endif
