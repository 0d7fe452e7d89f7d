#include "app/agent_commands.h"

#include "app/agent_call.h"
#include "app/control.h"
#include "app/exit_code.h"
#include "app/status.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "config/config_load.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    RELOAD_WAIT_S = 60,
    STATUS_WAIT_S = 5, /* for the agent; then the disk is read */
    READY_WAIT_S = 1,  /* likewise: probes are short */
    PATH_BYTES = 64,
    FIRST_PAUSE_US = 50000,
    PAUSE_MOST_US = 1000000
};

static const char *error_of(const json_t *body)
{
    const char *text = json_string_value(json_object_get(body, "error"));

    return text == NULL ? "" : text;
}

/* -- reload ---------------------------------------------------------------------------------------
 */

static int tell_refusal(const json_t *problems)
{
    const json_t *problem;
    size_t i;

    json_array_foreach (problems, i, problem)
        terminal_line(stderr, "%s", json_string_value(problem));
    terminal_line(stderr, "leafd: the agent refused this configuration and keeps the previous one");
    return EXIT_USAGE;
}

int reload_command(const char *file, uint64_t wait_s)
{
    CLEANUP(agent_reply_free) struct agent_reply reply = {0};
    struct err err;

    if (!agent_call(file, "POST", CONTROL_RELOAD, wait_s == 0 ? RELOAD_WAIT_S : wait_s, true,
                    &reply, &err)) {
        terminal_line(stderr, "leafd: %s", err.text);
        return EXIT_RETRY;
    }
    if (reply.status == CONTROL_APPLIED) {
        json_int_t count = json_integer_value(json_object_get(reply.body, "certificates"));

        terminal_line(stdout, "the agent applied the configuration: %lld certificate%s",
                      (long long)count, count == 1 ? "" : "s");
        return EXIT_FINE;
    }
    if (reply.status == CONTROL_REFUSED)
        return tell_refusal(json_object_get(reply.body, "problems"));
    terminal_line(stderr, "leafd: the agent answered %d: %s", reply.status, error_of(reply.body));
    return EXIT_RETRY;
}

/* -- status and ready -----------------------------------------------------------------------------
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

/* Adds a page to *document, NULL before the first; false with *err filled if there is none. */
static bool add_page(const char *file, uint64_t wait_s, json_t **document, struct err *err)
{
    CLEANUP(agent_reply_free) struct agent_reply page = {0};
    json_t *rows = json_object_get(*document, "certs"), *more;
    char path[PATH_BYTES];

    snprintf(path, sizeof path, CONTROL_STATUS "?from=%zu", json_array_size(rows));
    if (!agent_call(file, "GET", path, wait_s, false, &page, err))
        return false;
    more = json_object_get(page.body, "certs");
    if (page.status != CONTROL_APPLIED || !is_page(page.body) || json_array_size(more) == 0)
        return err_set(err, ERR_LOCAL, "the agent answered %d: %s", page.status,
                       error_of(page.body));
    if (*document == NULL)
        *document = json_incref(page.body);
    else if (revision_of(page.body) != revision_of(*document))
        return err_set(err, ERR_LOCAL, "the agent applied another configuration meanwhile");
    else
        json_array_extend(rows, more);
    return true;
}

/* Joins the pages of the agent's document. NULL with *err filled if it does not answer. */
static json_t *ask_agent(const char *file, uint64_t wait_s, struct err *err)
{
    json_t *document = NULL;
    bool is_whole = false;

    while (!is_whole) {
        if (!add_page(file, wait_s, &document, err)) {
            json_decref(document);
            return NULL;
        }
        is_whole = (json_int_t)json_array_size(json_object_get(document, "certs")) >=
                   json_integer_value(json_object_get(document, "count"));
    }
    json_object_del(document, "count");
    return document;
}

/* From the agent, else from disk; NULL with *ret_code set, after the errors were printed. */
static json_t *make_document(const char *file, uint64_t wait_s, int *ret_code)
{
    struct config_problems problems = {0};
    struct config *config;
    struct err err = {0}, why;
    json_t *document = ask_agent(file, wait_s, &why);

    if (document != NULL)
        return document;
    config = config_load(file, true, &problems);
    *ret_code = problems.awaits_token ? EXIT_RETRY : EXIT_USAGE;
    if (config == NULL) {
        config_problems_print(&problems, stderr);
    } else {
        document = status_from_disk(config, why.text, &err);
        if (document == NULL)
            terminal_line(stderr, "leafd: %s", err.text);
        *ret_code = EXIT_RETRY;
    }
    config_unref(config);
    config_problems_free(&problems);
    return document;
}

/* If this user may not read everything, no command may report that all is well. */
static int tell_hidden(void)
{
    terminal_line(stderr,
                  "leafd: user %u may not read all of it; run it as root or as the set's owner",
                  (unsigned)geteuid());
    return EXIT_HIDDEN;
}

int status_command(const char *file, const char *const *names, size_t count, bool json)
{
    const char *unknown;
    int code = EXIT_RETRY;
    json_auto_t *document = make_document(file, STATUS_WAIT_S, &code);

    if (document == NULL)
        return code;
    unknown = status_select(document, names, count);
    if (unknown != NULL) {
        terminal_line(stderr,
                      "leafd: no certificate has the name %s; leafd status lists all, and leafd "
                      "reload applies a changed configuration",
                      unknown);
        return EXIT_USAGE;
    }
    if (!json)
        status_print_table(document, stdout);
    else if (!status_print_json(document, stdout))
        terminal_line(stderr, "leafd: cannot write the status");
    if (status_is_hidden(document))
        return tell_hidden();
    return status_all_fresh(document) ? EXIT_FINE : EXIT_RETRY;
}

static void pause_for(uint64_t pause_us)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(pause_us / 1000000),
                                 .tv_nsec = (long)(pause_us % 1000000) * 1000},
              NULL);
}

int ready_command(const char *file, uint64_t wait_s)
{
    uint64_t end_us = clock_boot_us() + wait_s * 1000000, pause_us = FIRST_PAUSE_US;

    for (;;) {
        int code = EXIT_RETRY;
        json_auto_t *document = make_document(file, READY_WAIT_S, &code);
        uint64_t now_us = clock_boot_us();

        if (document == NULL && code == EXIT_USAGE)
            return code;
        if (document != NULL && status_all_ready(document))
            return EXIT_FINE;
        if (now_us >= end_us)
            return document != NULL && status_is_hidden(document) ? tell_hidden() : code;
        pause_for(duration_shorter(pause_us, end_us - now_us));
        pause_us = duration_shorter(pause_us * 2, PAUSE_MOST_US);
    }
}
