#include "app/status_command.h"

#include "app/agent_call.h"
#include "app/control.h"
#include "app/exit_code.h"
#include "app/status.h"
#include "app/status_view.h"
#include "app/status_whole.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "config/config_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    STATUS_WAIT_S = 5, /* for the agent; then the disk is read */
    READY_WAIT_S = 1,  /* likewise: probes are short */
    WATCH_EVERY_S = 2,
    WATCH_MOST_S = 60,
    WATCH_SHARE = 50, /* making the agent's document takes one part of so many of the time */
    PATH_BYTES = 192,
    FIRST_PAUSE_US = 50000,
    PAUSE_MOST_US = 1000000
};

/* What is asked for. */
struct question {
    const char *file;
    const char *const *names; /* none: all */
    size_t count;
    uint64_t wait_s;
    uint64_t agent_us; /* set: how long the agent took; 0 if none answered */
};

/* -- from the agent -------------------------------------------------------------------------------
 */

static bool is_page(const json_t *body)
{
    return json_is_object(json_object_get(body, "agent")) &&
           json_is_array(json_object_get(body, "certs")) &&
           json_is_integer(json_object_get(body, "count"));
}

static json_int_t revision_of(const json_t *document)
{
    return json_integer_value(
        json_object_get(json_object_get(document, "agent"), "configuration_number"));
}

/* Adds a page to *document, NULL before the first; false with *err filled if there is none.
 * *ret_unknown: the agent does not know the certificate. */
static bool add_page(const struct question *question, const char *path, json_t **document,
                     bool *ret_unknown, struct err *err)
{
    CLEANUP(agent_reply_free) struct agent_reply page = {0};
    const char *error;
    json_t *more;

    *ret_unknown = false;
    if (!agent_call(question->file, "GET", path, question->wait_s, false, &page, err))
        return false;
    more = json_object_get(page.body, "certs");
    error = json_string_value(json_object_get(page.body, "error"));
    *ret_unknown = page.status == CONTROL_UNKNOWN;
    if (page.status != CONTROL_APPLIED || !is_page(page.body) || json_array_size(more) == 0)
        return err_set(err, ERR_LOCAL, "the agent answered %d: %s", page.status,
                       error == NULL ? "" : error);
    if (*document == NULL)
        *document = json_incref(page.body);
    else if (revision_of(page.body) != revision_of(*document))
        return err_set(err, ERR_LOCAL, "the agent applied another configuration meanwhile");
    else
        json_array_extend(json_object_get(*document, "certs"), more);
    return true;
}

static bool add_named(const struct question *question, json_t **document, const char **ret_unknown,
                      struct err *err)
{
    char path[PATH_BYTES];
    bool is_unknown;

    for (size_t i = 0; i < question->count; i++) {
        const char *name = question->names[i];
        /* Names of certificates need no escapes in a query: config_load. */
        int length = snprintf(path, sizeof path, CONTROL_STATUS "?cert=%s", name);

        if (length >= (int)sizeof path || name[0] == '\0' || strpbrk(name, "&#%+ \r\n") != NULL ||
            (!add_page(question, path, document, &is_unknown, err) && is_unknown)) {
            *ret_unknown = name;
            return false;
        }
        if (*document == NULL || json_array_size(json_object_get(*document, "certs")) != i + 1)
            return false;
    }
    return true;
}

static bool add_all(const struct question *question, json_t **document, struct err *err)
{
    char path[PATH_BYTES];
    bool is_unknown;

    do {
        snprintf(path, sizeof path, CONTROL_STATUS "?from=%zu",
                 json_array_size(json_object_get(*document, "certs")));
        if (!add_page(question, path, document, &is_unknown, err))
            return false;
    } while ((json_int_t)json_array_size(json_object_get(*document, "certs")) <
             json_integer_value(json_object_get(*document, "count")));
    return true;
}

/* Joins the pages of the agent's document. NULL with *err filled if it does not answer, or with
 * *ret_unknown set. */
static json_t *ask_agent(const struct question *question, const char **ret_unknown, struct err *err)
{
    json_t *document = NULL;

    if (question->count > 0 ? add_named(question, &document, ret_unknown, err)
                            : add_all(question, &document, err)) {
        json_object_del(document, "count");
        return document;
    }
    json_decref(document);
    return NULL;
}

static bool is_right(const char *file)
{
    struct config_problems problems = {0};
    struct config *config = config_load(file, true, &problems);
    bool is_loaded = config != NULL;

    config_unref(config);
    config_problems_free(&problems);
    return is_loaded;
}

/* Tells whether the configuration on disk is the one that the agent uses. */
static void compare_configuration(const char *file, json_t *document)
{
    json_t *agent = json_object_get(document, "agent");
    const char *used = json_string_value(json_object_get(agent, "configuration_digest"));
    struct config_problems problems = {0};
    char digest[DIGEST_HEX_BYTES] = "";
    const char *word = NULL;

    if (config_load_source(file, digest, &problems) && used != NULL && strcmp(used, digest) == 0)
        word = "applied";
    else if (access(file, R_OK) == 0)
        word = is_right(file) ? "changed" : "broken";
    else if (errno == ENOENT)
        word = "missing";
    json_object_set_new(agent, "on_disk", word == NULL ? json_null() : json_string(word));
    config_problems_free(&problems);
}

/* -- from disk ------------------------------------------------------------------------------------
 */

static json_t *read_rows(const struct question *question, const struct config *config,
                         const char **ret_unknown, struct err *err)
{
    json_t *rows;

    if (question->count == 0)
        return status_read(config, 0, config->cert_count, false, err);
    rows = json_array();
    for (size_t i = 0; i < question->count; i++) {
        json_auto_t *row = status_read_named(config, question->names[i], err);

        if (row != NULL && json_array_size(row) == 0)
            *ret_unknown = question->names[i];
        if (json_array_size(row) == 1 && json_array_extend(rows, row) == 0)
            continue;
        json_decref(rows);
        return NULL;
    }
    return rows;
}

/* NULL with *ret_code set, after the errors were printed, or with *ret_unknown set. */
static json_t *read_disk(const struct question *question, const struct err *why,
                         const char **ret_unknown, int *ret_code)
{
    struct config_problems problems = {0};
    struct config *config = config_load(question->file, true, &problems);
    struct err err = {0};
    json_t *document = NULL, *rows;

    *ret_code = problems.awaits_token ? EXIT_RETRY : EXIT_USAGE;
    if (config == NULL) {
        config_problems_print(&problems, stderr);
    } else {
        rows = read_rows(question, config, ret_unknown, &err);
        if (rows != NULL)
            document = status_document(json_null(), rows);
        if (document == NULL && *ret_unknown == NULL)
            terminal_line(stderr, "leafd: %s", err.text);
        json_object_set_new(document, "agent_error", terminal_text(why->text));
        *ret_code = EXIT_RETRY;
    }
    config_unref(config);
    config_problems_free(&problems);
    return document;
}

/* From the agent, else from disk; NULL with *ret_code set, after the errors were printed. */
static json_t *make_document(struct question *question, int *ret_code)
{
    const char *unknown = NULL;
    struct err why = {0};
    uint64_t since_us = clock_boot_us();
    json_t *document = ask_agent(question, &unknown, &why);

    question->agent_us = document == NULL ? 0 : clock_boot_us() - since_us;
    if (document != NULL)
        compare_configuration(question->file, document);
    else if (unknown == NULL)
        document = read_disk(question, &why, &unknown, ret_code);
    if (unknown == NULL)
        return document;
    terminal_line(stderr,
                  "leafd: no certificate has the name %s; leafd status lists all, and leafd reload "
                  "applies a changed configuration",
                  unknown);
    *ret_code = EXIT_USAGE;
    return NULL;
}

/* -- the commands ---------------------------------------------------------------------------------
 */

/* If this user may not read everything, no command may report that all is well. */
static int tell_hidden(void)
{
    terminal_line(stderr,
                  "leafd: user %u may not read all of it; run it as root or as the set's owner",
                  (unsigned)geteuid());
    return EXIT_HIDDEN;
}

static void pause_for(uint64_t pause_us)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(pause_us / 1000000),
                                 .tv_nsec = (long)(pause_us % 1000000) * 1000},
              NULL);
}

/* The pause until the next look. What people leave open all day must cost the agent little. */
static uint64_t pause_after(const struct status_order *order, uint64_t agent_us)
{
    uint64_t pause_us = agent_us * (WATCH_SHARE - 1);

    if (order->every_s != 0)
        return order->every_s * 1000000;
    if (pause_us <= WATCH_EVERY_S * 1000000ULL)
        return WATCH_EVERY_S * 1000000ULL;
    pause_us = duration_shorter(pause_us, WATCH_MOST_S * 1000000ULL);
    if (!order->json)
        terminal_line(stdout, "Next look in %llus; --every sets another pause.",
                      (unsigned long long)(pause_us / 1000000));
    return pause_us;
}

static int show(const struct status_order *order, uint64_t *ret_pause_us)
{
    struct question question = {order->file, order->names, order->count, STATUS_WAIT_S, 0};
    int code = EXIT_RETRY;
    json_auto_t *document = make_document(&question, &code);

    *ret_pause_us = pause_after(order, 0);
    if (document == NULL)
        return code;
    if (order->watch)
        terminal_clear(stdout);
    if (order->json) {
        if (!terminal_json(stdout, document))
            terminal_line(stderr, "leafd: cannot write the status");
    } else if (order->count > 0) {
        status_whole_print(document, stdout);
    } else {
        status_view_table(document, stdout);
    }
    if (order->watch)
        *ret_pause_us = pause_after(order, question.agent_us);
    if (status_is_hidden(document))
        return tell_hidden();
    return status_all_fresh(document) ? EXIT_FINE : EXIT_RETRY;
}

int status_command(const struct status_order *order)
{
    uint64_t pause_us;
    int code = show(order, &pause_us);

    /* The agent is asked anew each time: its end is shown, and the next one is found. */
    while (order->watch && code != EXIT_USAGE && fflush(stdout) == 0) {
        int now;

        pause_for(pause_us);
        now = show(order, &pause_us);
        if (now != EXIT_USAGE)
            code = now;
    }
    return code;
}

int ready_command(const char *file, uint64_t wait_s)
{
    struct question question = {file, NULL, 0, READY_WAIT_S, 0};
    uint64_t end_us = clock_boot_us() + wait_s * 1000000, pause_us = FIRST_PAUSE_US;

    for (;;) {
        int code = EXIT_RETRY;
        json_auto_t *document = make_document(&question, &code);
        uint64_t now_us = clock_boot_us();

        if (document == NULL && code == EXIT_USAGE)
            return code;
        if (document != NULL && status_all_ready(document))
            return EXIT_FINE;
        if (now_us >= end_us) {
            if (document != NULL)
                status_view_unready(document, stderr);
            return document != NULL && status_is_hidden(document) ? tell_hidden() : code;
        }
        pause_for(duration_shorter(pause_us, end_us - now_us));
        pause_us = duration_shorter(pause_us * 2, PAUSE_MOST_US);
    }
}
