#include "app/events_command.h"

#include "app/agent_call.h"
#include "app/control.h"
#include "app/exit_code.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/terminal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ANSWER_S = 30, POLL_S = 20, PATH_BYTES = 192, STREAM_BYTES = 64, PAUSE_S = 1 };

/* How far the events were read. */
struct reading {
    const char *file;
    const struct events_wish *wish;
    char stream[STREAM_BYTES];
    json_int_t after;
    bool was_reached; /* an agent answered last time */
};

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static bool is_wanted(const struct events_wish *wish, const json_t *event)
{
    bool wanted = wish->count == 0;

    for (size_t i = 0; i < wish->count; i++)
        wanted |= strcmp(wish->names[i], text_at(event, "cert")) == 0;
    return wanted;
}

/* As the log's text form. */
static bool print(const struct events_wish *wish, const json_t *event)
{
    const char *cert = text_at(event, "cert");
    CLEANUP(free_memory) char *line = NULL;

    if (!wish->json)
        return terminal_line(stdout, "%s %-7s %s: %s%s%s", text_at(event, "time"),
                             text_at(event, "level"), text_at(event, "event"), cert,
                             cert[0] == '\0' ? "" : ": ", text_at(event, "message"));
    line = json_text(event, JSON_COMPACT | JSON_ENSURE_ASCII);
    return line != NULL && terminal_line(stdout, "%s", line);
}

/* False if the output cannot be written. */
static bool take(struct reading *reading, const json_t *body)
{
    const json_t *events = json_object_get(body, "events"), *event;
    json_int_t lost = json_integer_value(json_object_get(body, "lost"));
    size_t i;

    if (lost > 0)
        terminal_line(stderr, "leafd: %lld earlier events are only in the log", (long long)lost);
    snprintf(reading->stream, sizeof reading->stream, "%s", text_at(body, "stream"));
    reading->after = json_integer_value(json_object_get(body, "after"));
    json_array_foreach (events, i, event)
        if (is_wanted(reading->wish, event) && !print(reading->wish, event))
            return false;
    return true;
}

static void tell_unreached(struct reading *reading, const char *why)
{
    const struct events_wish *wish = reading->wish;

    if (reading->wish->follows) {
        if (reading->was_reached)
            terminal_line(stderr, "leafd: %s; waiting for it", why);
        reading->was_reached = false;
        return;
    }
    terminal_line(stderr, "leafd: %s", why);
    terminal_line(stderr,
                  "leafd: the journal has the events of earlier processes: journalctl -t "
                  "leafd%s%s",
                  wish->count == 0 ? "" : " LEAFD_CERT=", wish->count == 0 ? "" : wish->names[0]);
}

/* Reads and prints a page; *ret_count is the number of its events. */
static int read_page(struct reading *reading, json_int_t wait_s, size_t *ret_count)
{
    CLEANUP(agent_reply_free) struct agent_reply reply = {0};
    char path[PATH_BYTES];
    struct err err;

    *ret_count = 0;
    snprintf(path, sizeof path, CONTROL_EVENTS "?stream=%s&after=%lld&wait=%lld", reading->stream,
             (long long)reading->after, (long long)wait_s);
    if (!agent_call(reading->file, "GET", path, (uint64_t)wait_s + ANSWER_S, true, &reply, &err)) {
        tell_unreached(reading, err.text);
        return EXIT_RETRY;
    }
    if (reply.status != CONTROL_APPLIED) {
        tell_unreached(reading, text_at(reply.body, "error"));
        return EXIT_RETRY;
    }
    reading->was_reached = true;
    *ret_count = json_array_size(json_object_get(reply.body, "events"));
    return take(reading, reply.body) ? EXIT_FINE : EXIT_USAGE;
}

int events_command(const char *file, const struct events_wish *wish)
{
    struct reading reading = {.file = file, .wish = wish, .was_reached = true};
    const struct timespec pause = {.tv_sec = PAUSE_S};
    size_t count;
    int code;

    for (;;) {
        code = read_page(&reading, 0, &count);
        while (code == EXIT_FINE && (count > 0 || wish->follows))
            code = read_page(&reading, count > 0 ? 0 : POLL_S, &count);
        if (code == EXIT_USAGE || !wish->follows)
            return code == EXIT_USAGE ? EXIT_RETRY : code;
        nanosleep(&pause, NULL);
    }
}
