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
 * The line break is added. On standard error, lines are errors: if the journal reads it, it gets
 * them with that priority. False if it could not be written.
 */
bool terminal_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum terminal_colour {
    TERMINAL_PLAIN,
    TERMINAL_BOLD,
    TERMINAL_GREEN,
    TERMINAL_YELLOW,
    TERMINAL_RED
};

/*
 * terminal_piece - prints a part of a line, as terminal_line does, without a line break
 *
 * The colour is for terminal_has_colours; it comes from here, never from the text.
 */
bool terminal_piece(FILE *to, enum terminal_colour colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* terminal_has_colours - whether it is a terminal that shows colours, and NO_COLOR
 * (https://no-color.org) is not set */
bool terminal_has_colours(FILE *to);

/* terminal_columns - the width of the terminal; 0 if it is none, or does not tell */
unsigned terminal_columns(FILE *to);

/* terminal_clear - clears the screen of a terminal; does nothing if it is none */
void terminal_clear(FILE *to);

/*
 * terminal_redraw - prints a line on a terminal that the next call overwrites
 *
 * Without a line break. An empty text only clears the line, so that terminal_line may follow.
 */
void terminal_redraw(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

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
