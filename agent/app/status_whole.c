#include "app/status_whole.h"

#include "app/view.h"
#include "base/terminal.h"

#include <stdarg.h>
#include <string.h>

enum { LABEL_WIDTH = 11 };

/* -- everything about one -------------------------------------------------------------------------
 */

static void __attribute__((format(printf, 3, 4)))
print_field(const struct view *view, const char *label, const char *format, ...)
{
    char line[VIEW_LINE_BYTES], head[LABEL_WIDTH + 4];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    snprintf(head, sizeof head, "  %s", label);
    view_print(view, head, LABEL_WIDTH + 2, line);
}

static void print_moment(const struct view *view, const char *label, uint64_t moment_s)
{
    char at[VIEW_LOCAL_BYTES], from_now[VIEW_RELATIVE_BYTES];

    if (moment_s == 0)
        return;
    view_local_exactly(moment_s, at);
    view_relative(view, moment_s, from_now);
    print_field(view, label, "%s, %s", at, from_now);
}

static void print_identity(const struct view *view, const json_t *row)
{
    const char *role = view_text(row, "pki_role"), *request = view_text(row, "request_id");
    char names[VIEW_LINE_BYTES];

    view_names(row, names, sizeof names);
    print_field(view, "names", "%s", names);
    print_field(view, "role", "%s%s%s, key %s", view_text(row, "pki_mount"),
                role[0] == '\0' ? "" : "/", role, view_text(row, "key_type"));
    if (view_text(row, "serial")[0] == '\0')
        return;
    print_field(view, "issuer", "%s", view_text(row, "issuer"));
    print_field(view, "serial", "%s", view_text(row, "serial"));
    print_field(view, "sha256", "%s", view_text(row, "sha256"));
    if (request[0] != '\0')
        print_field(view, "request", "%s (the CA's id, for its audit log)", request);
}

static void print_times(const struct view *view, const json_t *row)
{
    print_moment(view, "valid from", view_moment(row, "not_before"));
    print_moment(view, "until", view_moment(row, "not_after"));
    if (view_moment(row, "end") < view_moment(row, "not_after"))
        print_moment(view, "path ends", view_moment(row, "end"));
    print_moment(view, "renewal", view_moment(row, "renewal"));
    print_moment(view, "held until", view_moment(row, "held_until"));
}

static void print_consumer(const struct view *view, const json_t *row)
{
    const json_t *served = json_object_get(row, "served");
    const char *service = view_text(row, "service");
    bool is_told = strcmp(view_text(row, "reload"), "none") != 0;
    char seen[VIEW_RELATIVE_BYTES], ends[VIEW_RELATIVE_BYTES];

    if (service[0] == '\0')
        service = "no reload";
    print_field(view, "service", "%s%s%s", service, is_told ? ", " : "",
                is_told ? view_text(row, "reload") : "");
    if (!json_is_object(served))
        return;
    view_relative(view, view_moment(served, "seen_at"), seen);
    view_relative(view, view_moment(served, "not_after"), ends);
    print_field(view, "served", "%s, ends %s, seen %s%s", view_text(served, "serial"), ends, seen,
                view_is(served, "foreign") ? "; this set never held it" : "");
}

static void print_files(const struct view *view, const json_t *row)
{
    const json_t *file, *step;
    char end[VIEW_LOCAL_BYTES];
    size_t i;

    print_field(view, "directory", "%s", view_text(row, "directory"));
    json_array_foreach (json_object_get(row, "files"), i, file)
        print_field(view, i == 0 ? "files" : "", "%s (%s)", view_text(file, "name"),
                    view_text(file, "content"));
    json_array_foreach (json_object_get(row, "path"), i, step) {
        view_local_exactly(view_moment(step, "not_after"), end);
        print_field(view, i == 0 ? "path" : "", "%s until %s%s", view_text(step, "subject"), end,
                    view_is(step, "for_peers") ? ", in the trust bundle" : "");
    }
}

/* Adds a part, if it is not empty, to a line of VIEW_LINE_BYTES. */
static void add_part(char line[static VIEW_LINE_BYTES], const char *what, const char *part)
{
    size_t length = strlen(line);

    if (part[0] != '\0')
        snprintf(line + length, VIEW_LINE_BYTES - length, "%s%s%s", length == 0 ? "" : ", ", what,
                 part);
}

static void print_event(const struct view *view, const json_t *entry)
{
    uint64_t reloaded_s = view_moment(entry, "reloaded_at"),
             proven_s = view_moment(entry, "proven_at");
    char at[VIEW_LOCAL_BYTES], since[VIEW_LOCAL_BYTES], when[VIEW_LOCAL_BYTES];
    char line[VIEW_LINE_BYTES] = "";
    int64_t count = view_number(entry, "count");

    view_local_exactly(view_moment(entry, "at"), at);
    view_local(view, view_moment(entry, "since"), since);
    if (count > 1)
        snprintf(line, sizeof line, ", %lld times since %s", (long long)count, since);
    view_line(view, "", 4, "%s  %s%s", at, view_text(entry, "event"), line);
    line[0] = '\0';
    add_part(line, "serial ", view_text(entry, "serial"));
    view_local(view, reloaded_s, when);
    add_part(line, "reloaded ", reloaded_s == 0 ? "" : when);
    view_local(view, proven_s, when);
    add_part(line, "proven ", proven_s == 0 ? "" : when);
    add_part(line, "", view_text(entry, "class"));
    add_part(line, "", view_text(entry, "reason"));
    if (line[0] != '\0')
        view_line(view, "", 8, "%s", line);
}

static void print_history(const struct view *view, const json_t *row)
{
    const json_t *history = json_object_get(row, "history"), *entry;
    size_t i;

    if (!json_is_array(history)) {
        print_field(view, "history", "is kept by a running agent; none answers");
        return;
    }
    if (json_array_size(history) == 0)
        print_field(view, "history", "nothing since the agent's start");
    else
        view_line(view, "", 2, "history");
    json_array_foreach (history, i, entry)
        print_event(view, entry);
}

static void print_whole(const struct view *view, const json_t *row)
{
    const char *doing = view_text(row, "doing");

    terminal_piece(view->to, view->has_colours ? TERMINAL_BOLD : TERMINAL_PLAIN, "%s",
                   view_text(row, "cert"));
    terminal_piece(view->to, TERMINAL_PLAIN, ": ");
    terminal_piece(view->to, view_colour(view, row), "%s", view_text(row, "state"));
    terminal_line(view->to, "%s", "");
    view_why(view, row);
    if (view_is_fresh(row) && !view_is(row, "failing") && doing[0] != '\0')
        view_line(view, "", 4, "now: %s", doing);
    print_identity(view, row);
    print_times(view, row);
    print_consumer(view, row);
    print_files(view, row);
    print_history(view, row);
    terminal_line(view->to, "%s", "");
}

void status_whole_print(const json_t *document, FILE *to)
{
    const struct view view = view_open(document, to);
    const json_t *rows = json_object_get(document, "certs"), *row;
    size_t i;

    json_array_foreach (rows, i, row)
        print_whole(&view, row);
    view_source(&view, document);
}
