#include "app/view.h"

#include "base/environment.h"
#include "base/terminal.h"
#include "cert/cert_status.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    COLUMNS = 80, /* where there is no terminal */
    COLUMNS_LEAST = 40,
    NEXT_BYTES = VIEW_RELATIVE_BYTES + VIEW_LOCAL_BYTES + 32
};

/* localtime_r(3) reads TZ, which environment_narrow has removed. */
static void restore_time_zone(void)
{
    const char *zone = environment_get("TZ");

    if (zone != NULL)
        setenv("TZ", zone, 1);
    tzset();
}

struct view view_open(const json_t *document, FILE *to)
{
    unsigned columns = terminal_columns(to);

    restore_time_zone();
    return (struct view){
        .to = to,
        .has_colours = terminal_has_colours(to),
        .is_terminal = columns > 0,
        .width = columns == 0              ? COLUMNS
                 : columns < COLUMNS_LEAST ? COLUMNS_LEAST
                                           : columns,
        .now_s = clock_now_s(),
        .ca_is_away = view_moment(json_object_get(document, "agent"), "ca_away_since") != 0,
    };
}

/* -- values ---------------------------------------------------------------------------------------
 */

const char *view_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

bool view_is(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

int64_t view_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* 0 for an unknown time. */
uint64_t view_moment(const json_t *object, const char *key)
{
    uint64_t moment_s;

    return clock_read_text(view_text(object, key), &moment_s) ? moment_s : 0;
}

/* "in 5h12m", "3m ago", or "-" for an unknown time. */
void view_relative(const struct view *view, uint64_t moment_s, char to[static VIEW_RELATIVE_BYTES])
{
    char text[DURATION_TEXT_BYTES];

    if (moment_s == 0) {
        snprintf(to, VIEW_RELATIVE_BYTES, "-");
        return;
    }
    duration_text(moment_s > view->now_s ? moment_s - view->now_s : view->now_s - moment_s, text);
    if (moment_s > view->now_s)
        snprintf(to, VIEW_RELATIVE_BYTES, "in %s", text);
    else
        snprintf(to, VIEW_RELATIVE_BYTES, "%s ago", text);
}

static bool is_today(const struct tm *day, uint64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm today;

    return localtime_r(&now, &today) != NULL && day->tm_year == today.tm_year &&
           day->tm_yday == today.tm_yday;
}

/* "14:02" today, else with the date; "-" for an unknown time. */
void view_local(const struct view *view, uint64_t moment_s, char to[static VIEW_LOCAL_BYTES])
{
    time_t moment = (time_t)moment_s;
    struct tm day;

    if (moment_s == 0 || localtime_r(&moment, &day) == NULL ||
        strftime(to, VIEW_LOCAL_BYTES, is_today(&day, view->now_s) ? "%H:%M" : "%Y-%m-%d %H:%M",
                 &day) == 0)
        snprintf(to, VIEW_LOCAL_BYTES, "-");
}

/* With seconds and the time zone. */
void view_local_exactly(uint64_t moment_s, char to[static VIEW_LOCAL_BYTES])
{
    time_t moment = (time_t)moment_s;
    struct tm day;

    if (moment_s == 0 || localtime_r(&moment, &day) == NULL ||
        strftime(to, VIEW_LOCAL_BYTES, "%Y-%m-%d %H:%M:%S %Z", &day) == 0)
        snprintf(to, VIEW_LOCAL_BYTES, "-");
}

/* What the consumer was last seen to serve, in a word. */
const char *view_served(const struct view *view, const json_t *row)
{
    const json_t *served = json_object_get(row, "served");

    if (strcmp(view_text(row, "reload"), "none") == 0)
        return "-";
    if (view_is(row, "awaited"))
        return "awaited";
    if (!json_is_object(served))
        return view_text(row, "reload");
    if (view_is(served, "foreign"))
        return "foreign";
    if (view_moment(served, "not_after") <= view->now_s)
        return "expired";
    return view_is(served, "matches") ? "yes" : "old";
}

/* All names of the certificate, apart by commas. */
void view_names(const json_t *row, char *to, size_t size)
{
    static const char *const keys[] = {"dns_names", "uris", "ip_addresses", "email_addresses"};
    size_t length = 0, i;
    const json_t *name;

    to[0] = '\0';
    for (size_t kind = 0; kind < sizeof keys / sizeof *keys; kind++)
        json_array_foreach (json_object_get(row, keys[kind]), i, name)
            if (length < size)
                length += (size_t)snprintf(to + length, size - length, "%s%s",
                                           length == 0 ? "" : ", ", json_string_value(name));
    if (length == 0)
        snprintf(to, size, "%s", view_text(row, "common_name"));
}

const json_t *view_failure(const json_t *row)
{
    return view_is(row, "failing") ? json_object_get(row, "failure") : NULL;
}

void view_awaited(const json_t *row, char to[static VIEW_LINE_BYTES])
{
    bool is_reloaded = strcmp(view_text(row, "state"), status_word_name(STATUS_NOT_PROVEN)) == 0;

    to[0] = '\0';
    if (view_is(row, "awaited") && !view_is(row, "failing"))
        snprintf(to, VIEW_LINE_BYTES, "waits for the consumer: %s; it is %s when it runs",
                 view_text(json_object_get(row, "failure"), "error"),
                 is_reloaded ? "checked" : "reloaded");
}

bool view_is_fresh(const json_t *row)
{
    return strcmp(view_text(row, "state"), status_word_name(STATUS_FRESH)) == 0;
}

/* -- lines ----------------------------------------------------------------------------------------
 */

/* Prints a text behind `indent` spaces; on a terminal it is broken between words. `label` stands in
 * the indentation of the first line. */
void view_print(const struct view *view, const char *label, unsigned indent, const char *text)
{
    unsigned room = view->width - indent;
    bool is_first = true;

    do {
        size_t length = strlen(text), cut = length;

        if (view->is_terminal && length > room) {
            for (cut = room; cut > 0 && text[cut] != ' '; cut--)
                ;
            cut = cut == 0 ? room : cut;
        }
        terminal_line(view->to, "%-*s%.*s", (int)indent, is_first ? label : "", (int)cut, text);
        text += cut;
        text += text[0] == ' ';
        is_first = false;
    } while (text[0] != '\0');
}

void view_line(const struct view *view, const char *label, unsigned indent, const char *format, ...)
{
    char line[VIEW_LINE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    view_print(view, label, indent, line);
}

/* "next try in 3m, at 14:05", or "next try now". */
static void write_next(const struct view *view, const json_t *row, char to[static NEXT_BYTES])
{
    uint64_t again_s = view_moment(json_object_get(row, "failure"), "try_again_at");
    char wait[VIEW_RELATIVE_BYTES], at[VIEW_LOCAL_BYTES];

    view_relative(view, again_s, wait);
    view_local(view, again_s, at);
    if (again_s > view->now_s)
        snprintf(to, NEXT_BYTES, "next try %s, at %s", wait, at);
    else
        snprintf(to, NEXT_BYTES, "next try now");
}

static void print_failure(const struct view *view, const json_t *row)
{
    const json_t *failure = view_failure(row);
    char failed[VIEW_RELATIVE_BYTES], since[VIEW_LOCAL_BYTES], next[NEXT_BYTES];
    int64_t issuing = view_number(failure, "failures");

    if (failure == NULL)
        return;
    view_relative(view, view_moment(failure, "failed_at"), failed);
    view_local(view, view_moment(failure, "since"), since);
    write_next(view, row, next);
    view_line(view, "", 4, "failed %s (%lld in a row since %s, %s): %s: %s", failed,
              (long long)(issuing > 0 ? issuing : view_number(failure, "reload_failures")), since,
              next, view_text(failure, "class"), view_text(failure, "error"));
}

/* -- of a certificate, and of the agent -----------------------------------------------------------
 */

enum view_rank view_rank(const json_t *row)
{
    if (!view_is(row, "ready"))
        return RANK_UNREADY;
    if (view_is(row, "failing"))
        return RANK_FAILING;
    return view_is_fresh(row) ? RANK_FRESH : RANK_NOT_FRESH;
}

enum terminal_colour view_colour(const struct view *view, const json_t *row)
{
    enum view_rank rank = view_rank(row);

    if (!view->has_colours)
        return TERMINAL_PLAIN;
    return rank == RANK_UNREADY ? TERMINAL_RED
           : rank == RANK_FRESH ? TERMINAL_GREEN
                                : TERMINAL_YELLOW;
}

/* An outage is told once for all certificates: view_source. */
static bool waits_for_ca(const struct view *view, const json_t *row)
{
    const json_t *failure = view_failure(row);

    return view->ca_is_away && strcmp(view_text(failure, "concerns"), "issuance") == 0 &&
           strcmp(view_text(failure, "class"), err_kind_name(ERR_TRANSIENT)) == 0;
}

static void print_wait(const struct view *view, const json_t *row)
{
    char next[NEXT_BYTES];

    write_next(view, row, next);
    view_line(view, "", 4, "waits for the CA, %s", next);
}

static void print_held(const struct view *view, const json_t *row)
{
    uint64_t until_s = view_moment(row, "held_until");
    char wait[VIEW_RELATIVE_BYTES], at[VIEW_LOCAL_BYTES];

    view_relative(view, until_s, wait);
    view_local(view, until_s, at);
    if (until_s != 0)
        view_line(view, "", 4, "a new certificate is held until %s, %s", at, wait);
}

void view_why(const struct view *view, const json_t *row)
{
    const char *detail = view_text(row, "detail"), *advice = view_text(row, "advice");
    char awaited[VIEW_LINE_BYTES];

    if (detail[0] != '\0')
        view_line(view, "", 4, "%s", detail);
    print_held(view, row);
    if (waits_for_ca(view, row)) {
        print_wait(view, row);
        return;
    }
    print_failure(view, row);
    view_awaited(row, awaited);
    if (awaited[0] != '\0')
        view_line(view, "", 4, "%s", awaited);
    if (!view_is(row, "failing") && view_is_fresh(row))
        return;
    if (view_text(row, "doing")[0] != '\0')
        view_line(view, "", 4, "now: %s", view_text(row, "doing"));
    else if (advice[0] != '\0')
        view_line(view, "", 4, "advice: %s", advice);
}

/* -- where it comes from --------------------------------------------------------------------------
 */

static void print_ca(const struct view *view, const json_t *agent)
{
    const json_t *login = json_object_get(agent, "login");
    const char *reason = view_text(agent, "ca_away_reason");
    uint64_t away_s = view_moment(agent, "ca_away_since");
    char since[VIEW_LOCAL_BYTES], failed[VIEW_RELATIVE_BYTES];

    if (away_s != 0) {
        view_local(view, away_s, since);
        view_line(view, "", 0, "The CA has been issuing no certificates since %s%s%s", since,
                  reason[0] == '\0' ? "." : ": ", reason);
    }
    if (json_is_object(login) && !view_is(login, "ok")) {
        view_relative(view, view_moment(login, "at"), failed);
        view_line(view, "", 0, "The last login by %s failed %s: %s", view_text(login, "method"),
                  failed, view_text(login, "error"));
    }
}

static void print_clock(const struct view *view, const json_t *agent)
{
    int64_t skew_s = view_number(agent, "clock_skew_s");
    char apart[DURATION_TEXT_BYTES];

    if (skew_s == 0)
        return;
    duration_text((uint64_t)llabs(skew_s), apart);
    view_line(view, "", 0,
              "This machine's clock is %s %s the CA's: correct it, and keep it correct with NTP.",
              apart, skew_s > 0 ? "behind" : "ahead of");
}

/* What is on disk was compared just now; the problem is of what the agent has read last. */
static void print_configuration(const struct view *view, const json_t *agent)
{
    const char *problem = view_text(agent, "problem"), *on_disk = view_text(agent, "on_disk");
    bool has_problem = problem[0] != '\0', is_refused = has_problem && view_is(agent, "refused");

    if (has_problem && !is_refused)
        view_line(view, "", 0, "The configuration could not be applied completely: %s", problem);
    if (strcmp(on_disk, "missing") == 0)
        view_line(view, "", 0,
                  "The configuration on disk is missing, the agent keeps what it has read: %s",
                  view_text(agent, "configuration"));
    else if (is_refused && strcmp(on_disk, "applied") == 0)
        view_line(view, "", 0,
                  "The configuration on disk is in use; what the agent has read last it refused: "
                  "%s",
                  problem);
    else if (is_refused)
        view_line(view, "", 0,
                  "The agent refused the configuration on disk and keeps the previous one: %s",
                  problem);
    else if (strcmp(on_disk, "changed") == 0)
        view_line(view, "", 0,
                  "The configuration on disk was changed and is not applied: leafd reload");
    else if (strcmp(on_disk, "broken") == 0)
        view_line(view, "", 0,
                  "The configuration on disk was changed, has errors and is not applied: leafd "
                  "check");
}

void view_source(const struct view *view, const json_t *document)
{
    const json_t *agent = json_object_get(document, "agent");
    char since[VIEW_RELATIVE_BYTES], contact[VIEW_RELATIVE_BYTES];

    if (!json_is_object(agent)) {
        view_line(view, "", 0, "No agent answers, so this is from disk: %s",
                  view_text(document, "agent_error"));
        return;
    }
    view_relative(view, view_moment(agent, "started_at"), since);
    view_relative(view, view_moment(agent, "ca_contact_at"), contact);
    view_line(view, "", 0,
              "The agent runs as process %lld, started %s; last contact with the CA: %s.",
              (long long)view_number(agent, "pid"), since, contact);
    print_ca(view, agent);
    print_clock(view, agent);
    print_configuration(view, agent);
}
