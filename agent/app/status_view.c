#include "app/status_view.h"

#include "app/view.h"
#include "base/terminal.h"
#include "cert/cert_status.h"

#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 256, CERT_MOST = 24, CERT_LEAST = 8, SERVICE_MOST = 16, NAMES_LEAST = 14 };

/* -- urgency --------------------------------------------------------------------------------------
 */

/* What ends first is more urgent. */
static int by_urgency(const void *a, const void *b)
{
    const json_t *const *one = a, *const *other = b;
    enum view_rank first = view_rank(*one), second = view_rank(*other);
    int order;

    if (first != second)
        return first < second ? -1 : 1;
    /* Texts of times are in the order of the times. */
    order = strcmp(view_text(*one, "end"), view_text(*other, "end"));
    return order != 0 ? order : strcmp(view_text(*one, "cert"), view_text(*other, "cert"));
}

/* The rows, the most urgent first; malloc()ed, NULL if memory ran out or there are none. */
static const json_t **sorted(const json_t *document, size_t *ret_count)
{
    const json_t *rows = json_object_get(document, "certs"), *row;
    const json_t **list = calloc(json_array_size(rows) + 1, sizeof *list);
    size_t i;

    *ret_count = 0;
    if (list == NULL)
        return NULL;
    json_array_foreach (rows, i, row)
        list[(*ret_count)++] = row;
    qsort(list, *ret_count, sizeof *list, by_urgency);
    return list;
}

/* -- the last line --------------------------------------------------------------------------------
 */

static void add_count(char *line, size_t size, size_t count, const char *word)
{
    size_t length = strlen(line);

    if (count > 0)
        snprintf(line + length, size - length, "%s%zu %s", length == 0 ? "" : ", ", count, word);
}

/* "3 fresh, 1 failing"; the words in the order of leafd(8), STATES. */
static void count_states(const json_t *document, char *line, size_t size)
{
    const json_t *rows = json_object_get(document, "certs"), *row;
    size_t counts[STATUS_WORD_COUNT] = {0}, failing = 0, i;

    json_array_foreach (rows, i, row) {
        bool fails = view_is(row, "failing");

        failing += fails;
        for (enum status_word word = 0; word < STATUS_WORD_COUNT && !fails; word++)
            counts[word] += strcmp(view_text(row, "state"), status_word_name(word)) == 0;
    }
    line[0] = '\0';
    add_count(line, size, counts[STATUS_FRESH], status_word_name(STATUS_FRESH));
    add_count(line, size, failing, "failing");
    for (enum status_word word = STATUS_FRESH + 1; word < STATUS_WORD_COUNT; word++)
        add_count(line, size, counts[word], status_word_name(word));
}

/* What an outage is called; a CA that answers with errors is in class transient as well. */
static const char *words_of_outage(const json_t *agent)
{
    static const char *const words[][2] = {
        {"denied", "login denied"}, {"untrusted", "CA not trusted"}, {"refused", "login refused"}};
    const char *class = view_text(agent, "ca_away_class");

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], class) == 0)
            return words[i][1];
    return view_moment(agent, "ca_unreachable_since") != 0 ? "CA unreachable" : "CA out of order";
}

/* How many fail because of the outage; *ret_all says whether no other one fails. */
static size_t count_of_outage(const json_t *document, bool *ret_all)
{
    const char *class = view_text(json_object_get(document, "agent"), "ca_away_class");
    const json_t *row;
    size_t failing = 0, count = 0, i;

    json_array_foreach (json_object_get(document, "certs"), i, row) {
        const json_t *failure = json_object_get(row, "failure");

        failing += view_is(row, "failing");
        count += view_is(row, "failing") && strcmp(view_text(failure, "class"), class) == 0 &&
                 strcmp(view_text(failure, "concerns"), "issuance") == 0;
    }
    *ret_all = count == failing;
    return count;
}

/* Why the most urgent one fails, and the outage; "" if all is well. */
static void write_reason(const struct view *view, const json_t *document, const json_t *first,
                         char to[static CELL_BYTES])
{
    const json_t *agent = json_object_get(document, "agent");
    const json_t *failure = json_object_get(first, "failure");
    uint64_t away_s = view_moment(agent, "ca_away_since");
    char since[VIEW_LOCAL_BYTES], away[VIEW_LOCAL_BYTES];
    bool is_all;
    size_t count = count_of_outage(document, &is_all), length = 0;

    to[0] = '\0';
    view_local(view, away_s, away);
    if (away_s != 0 && count > 0) {
        length = is_all ? 0 : (size_t)snprintf(to, CELL_BYTES, ", %zu of them", count);
        snprintf(to + length, CELL_BYTES - length, ": %s since %s", words_of_outage(agent), away);
        return;
    }
    if (first != NULL && view_is(first, "failing")) {
        view_local(view, view_moment(failure, "since"), since);
        length = (size_t)snprintf(to, CELL_BYTES, ": %s %s since %s", view_text(first, "cert"),
                                  view_text(failure, "class"), since);
    }
    if (away_s != 0 && length < CELL_BYTES)
        snprintf(to + length, CELL_BYTES - length, "; %s since %s", words_of_outage(agent), away);
}

static void print_summary(const struct view *view, const json_t *document, const json_t *first)
{
    char line[VIEW_LINE_BYTES], reason[CELL_BYTES];

    count_states(document, line, sizeof line);
    write_reason(view, document, first, reason);
    terminal_piece(view->to,
                   first == NULL       ? TERMINAL_PLAIN
                   : view->has_colours ? TERMINAL_BOLD
                                       : TERMINAL_PLAIN,
                   "%s%s", line[0] == '\0' ? "no certificates" : line, reason);
    terminal_line(view->to, "%s", "");
}

/* -- the table ------------------------------------------------------------------------------------
 */

enum column {
    COLUMN_CERT,
    COLUMN_STATE,
    COLUMN_SERVICE,
    COLUMN_SERVED,
    COLUMN_EXPIRES,
    COLUMN_RENEWAL,
    COLUMN_NAMES,
    COLUMN_COUNT
};

static const char *const titles[COLUMN_COUNT] = {"CERT",    "STATE",   "SERVICE", "SERVED",
                                                 "EXPIRES", "RENEWAL", "NAMES"};

static void write_cell(const struct view *view, const json_t *row, enum column column,
                       char to[static CELL_BYTES])
{
    static const char *const keys[COLUMN_COUNT] = {
        [COLUMN_CERT] = "cert",   [COLUMN_STATE] = "state",     [COLUMN_SERVICE] = "service",
        [COLUMN_EXPIRES] = "end", [COLUMN_RENEWAL] = "renewal",
    };
    char time[VIEW_RELATIVE_BYTES];

    if (column == COLUMN_EXPIRES || column == COLUMN_RENEWAL) {
        view_relative(view, view_moment(row, keys[column]), time);
        snprintf(to, CELL_BYTES, "%s", time);
    } else if (column == COLUMN_NAMES) {
        view_names(row, to, CELL_BYTES);
    } else {
        snprintf(to, CELL_BYTES, "%s",
                 column == COLUMN_SERVED ? view_served(view, row) : view_text(row, keys[column]));
    }
    if (to[0] == '\0')
        snprintf(to, CELL_BYTES, "-");
}

static void measure(const struct view *view, const json_t **rows, size_t count,
                    unsigned widths[static COLUMN_COUNT])
{
    static const unsigned most[COLUMN_COUNT] = {
        [COLUMN_CERT] = CERT_MOST, [COLUMN_SERVICE] = SERVICE_MOST};
    unsigned used = 0;
    char cell[CELL_BYTES];

    for (enum column column = 0; column < COLUMN_NAMES; column++) {
        widths[column] = (unsigned)strlen(titles[column]);
        for (size_t i = 0; i < count; i++) {
            write_cell(view, rows[i], column, cell);
            if (strlen(cell) > widths[column])
                widths[column] = (unsigned)strlen(cell);
        }
        if (most[column] > 0 && widths[column] > most[column])
            widths[column] = most[column];
        used += widths[column] + 2;
    }
    /* The names are cut, down to NAMES_LEAST; then the service is left out, then the names; then
     * certificates' names are cut. */
    if (used + NAMES_LEAST > view->width) {
        used -= widths[COLUMN_SERVICE] + 2;
        widths[COLUMN_SERVICE] = 0;
    }
    widths[COLUMN_NAMES] = used + NAMES_LEAST > view->width ? 0 : view->width - used;
    if (used > view->width + 2)
        widths[COLUMN_CERT] = used - widths[COLUMN_CERT] + CERT_LEAST > view->width + 2
                                  ? CERT_LEAST
                                  : widths[COLUMN_CERT] - (used - view->width - 2);
}

/* A cell of its width; one that is cut ends with "~". */
static void print_cell(const struct view *view, enum terminal_colour colour, const char *text,
                       unsigned width, bool is_last)
{
    bool is_cut = strlen(text) > width;
    int shown = is_cut ? (int)width - 1 : (int)width;

    if (width == 0)
        return;
    terminal_piece(view->to, colour, "%.*s%s", shown, text, is_cut ? "~" : "");
    if (!is_last)
        terminal_piece(view->to, TERMINAL_PLAIN, "%*s",
                       (int)(is_cut ? 2 : width - strlen(text) + 2), "");
}

static void print_row(const struct view *view, const json_t *row,
                      const unsigned widths[static COLUMN_COUNT])
{
    enum column last = widths[COLUMN_NAMES] == 0 ? COLUMN_RENEWAL : COLUMN_NAMES;
    char cell[CELL_BYTES];

    for (enum column column = 0; column <= last; column++) {
        enum terminal_colour colour = TERMINAL_PLAIN;

        if (row == NULL)
            snprintf(cell, sizeof cell, "%s", titles[column]);
        else
            write_cell(view, row, column, cell);
        if (row != NULL && column == COLUMN_STATE)
            colour = view_colour(view, row);
        print_cell(view, colour, cell, widths[column], column == last);
    }
    terminal_line(view->to, "%s", "");
}

void status_view_table(const json_t *document, FILE *to)
{
    const struct view view = view_open(document, to);
    size_t count;
    const json_t **rows = sorted(document, &count);
    unsigned widths[COLUMN_COUNT];

    if (rows != NULL) {
        measure(&view, rows, count, widths);
        print_row(&view, NULL, widths);
        for (size_t i = 0; i < count; i++) {
            print_row(&view, rows[i], widths);
            view_why(&view, rows[i]);
        }
        terminal_line(to, "%s", "");
    }
    view_source(&view, document);
    print_summary(&view, document, rows == NULL || count == 0 ? NULL : rows[0]);
    free(rows);
}

/* -- why not ready --------------------------------------------------------------------------------
 */

void status_view_unready(const json_t *document, FILE *to)
{
    const json_t *rows = json_object_get(document, "certs"), *row, *failure;
    const json_t **list;
    size_t count, unready = 0, i;
    const char *why;

    json_array_foreach (rows, i, row)
        unready += !view_is(row, "ready");
    list = sorted(document, &count);
    if (list == NULL || unready == 0) {
        free(list);
        return;
    }
    failure = view_failure(list[0]);
    why = failure != NULL ? view_text(failure, "error") : view_text(list[0], "detail");
    terminal_line(to, "leafd: not ready: %s is %s%s%s (%zu of %zu not ready%s)",
                  view_text(list[0], "cert"), view_text(list[0], "state"),
                  why[0] == '\0' ? "" : ": ", why, unready, count,
                  json_is_object(json_object_get(document, "agent")) ? "" : "; no agent answers");
    free(list);
}
