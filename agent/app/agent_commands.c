#include "app/agent_commands.h"

#include "app/agent_call.h"
#include "app/control.h"
#include "app/exit_code.h"
#include "app/status.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "config/config_load.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    RELOAD_WAIT_S = 60,
    STATUS_WAIT_S = 5,
    PATH_BYTES = 64,
    FIRST_PAUSE_US = 50000,
    PAUSE_MOST_US = 1000000
};

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
    const char *text;
    struct err err;

    if (!agent_call(file, "POST", CONTROL_RELOAD, wait_s == 0 ? RELOAD_WAIT_S : wait_s, &reply,
                    &err)) {
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
    text = json_string_value(json_object_get(reply.body, "error"));
    terminal_line(stderr, "leafd: the agent answered %d: %s", reply.status,
                  text == NULL ? "" : text);
    return EXIT_RETRY;
}

/* -- status and ready -----------------------------------------------------------------------------
 */

/* Joins the pages of the agent's document. NULL with *err filled if it does not answer. */
static json_t *ask_agent(const char *file, struct err *err)
{
    json_t *document = NULL;
    char path[PATH_BYTES];
    bool more = true;

    while (more) {
        CLEANUP(agent_reply_free) struct agent_reply page = {0};
        json_t *rows = json_object_get(document, "certs");

        snprintf(path, sizeof path, CONTROL_STATUS "?from=%zu", json_array_size(rows));
        if (!agent_call(file, "GET", path, STATUS_WAIT_S, &page, err)) {
            json_decref(document);
            return NULL;
        }
        if (page.status != CONTROL_APPLIED) {
            err_set(err, ERR_LOCAL, "the agent answered %d to GET %s", page.status, path);
            json_decref(document);
            return NULL;
        }
        more = json_is_true(json_object_get(page.body, "more"));
        if (document == NULL)
            document = json_incref(page.body);
        else
            json_array_extend(rows, json_object_get(page.body, "certs"));
    }
    json_object_del(document, "more");
    return document;
}

/* From the agent, else from disk; NULL with *ret_code set, after the errors were printed. */
static json_t *make_document(const char *file, int *ret_code)
{
    struct config_problems problems = {0};
    struct config *config;
    struct err err = {0};
    json_t *document = ask_agent(file, &err);

    if (document != NULL)
        return document;
    if (err.errnum != ENOENT && err.errnum != ECONNREFUSED && err.errnum != EACCES)
        terminal_line(stderr, "leafd: %s", err.text);
    config = config_load(file, true, &problems);
    *ret_code = problems.awaits_token ? EXIT_RETRY : EXIT_USAGE;
    if (config == NULL) {
        config_problems_print(&problems, stderr);
    } else {
        document = status_from_disk(config, &err);
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
    json_auto_t *document = make_document(file, &code);

    if (document == NULL)
        return code;
    unknown = status_select(document, names, count);
    if (unknown != NULL) {
        terminal_line(stderr, "leafd: no certificate has the name %s; leafd status lists all",
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
        json_auto_t *document = make_document(file, &code);
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
