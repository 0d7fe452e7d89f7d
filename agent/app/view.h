/*
 * view - values of the status's document, and lines of it, as people read them
 *
 * What app/status_view and app/status_whole share. Texts fit the terminal, 80 columns where there
 * is none; times are local, as journalctl(1) shows them.
 */
#ifndef LEAFD_APP_VIEW_H
#define LEAFD_APP_VIEW_H

#include "base/clock.h"
#include "base/terminal.h"

#include <jansson.h>

enum {
    VIEW_LINE_BYTES = 2048,
    VIEW_RELATIVE_BYTES = DURATION_TEXT_BYTES + 8,
    VIEW_LOCAL_BYTES = 64
};

/* Where it is shown, and when. */
struct view {
    FILE *to;
    bool has_colours, is_terminal;
    unsigned width; /* in columns */
    uint64_t now_s;
    bool ca_is_away; /* as the agent says, for all certificates */
};

/* view_open - a view of the document now, on `to`, which it borrows */
struct view view_open(const json_t *document, FILE *to);

/* -- values ---------------------------------------------------------------------------------------
 */

/* view_text - the text of that key, "" if there is none; borrowed */
const char *view_text(const json_t *object, const char *key);

/* view_is - whether the key is true */
bool view_is(const json_t *object, const char *key);

/* view_number - the whole number of that key; 0 if there is none */
int64_t view_number(const json_t *object, const char *key);

/* view_moment - the time of that key, in seconds since 1970; 0 if there is none */
uint64_t view_moment(const json_t *object, const char *key);

/* view_relative - "in 5h12m", "3m ago", or "-" for the time 0 */
void view_relative(const struct view *view, uint64_t moment_s, char to[static VIEW_RELATIVE_BYTES]);

/* view_local - "14:02" today, else with the date; "-" for the time 0 */
void view_local(const struct view *view, uint64_t moment_s, char to[static VIEW_LOCAL_BYTES]);

/* view_local_exactly - with date, seconds and time zone; "-" for the time 0 */
void view_local_exactly(uint64_t moment_s, char to[static VIEW_LOCAL_BYTES]);

/* view_served - in a word, what the consumer was last seen to serve, else how far it is */
const char *view_served(const struct view *view, const json_t *row);

/* view_names - all names of the certificate, apart by commas */
void view_names(const json_t *row, char *to, size_t size);

/* view_failure - the last failure; NULL if none lasts, as if the consumer is only awaited */
const json_t *view_failure(const json_t *row);

/* view_awaited - what the consumer is missing for, and what follows; "" if it is not awaited */
void view_awaited(const json_t *row, char to[static VIEW_LINE_BYTES]);

/* view_is_fresh - whether the certificate is fresh */
bool view_is_fresh(const json_t *row);

/* How urgent a certificate is; the most urgent first. */
enum view_rank { RANK_UNREADY, RANK_FAILING, RANK_NOT_FRESH, RANK_FRESH };

/* view_rank - how urgent it is */
enum view_rank view_rank(const json_t *row);

/* view_colour - the colour of its state, plain where colours are not shown */
enum terminal_colour view_colour(const struct view *view, const json_t *row);

/* -- lines ----------------------------------------------------------------------------------------
 */

/*
 * view_print - prints a text behind `indent` spaces, in which `label` stands on the first line
 *
 * On a terminal it is broken between words.
 */
void view_print(const struct view *view, const char *label, unsigned indent, const char *text);

/* view_line - the same with a format */
void view_line(const struct view *view, const char *label, unsigned indent, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* view_why - why the certificate is not fresh, the last failure, what is done now or what to do;
 * nothing if there is nothing to say */
void view_why(const struct view *view, const json_t *row);

/* view_source - where the document comes from, and how agent, CA and configuration are */
void view_source(const struct view *view, const json_t *document);

#endif
