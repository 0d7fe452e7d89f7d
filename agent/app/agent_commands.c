#include "app/agent_commands.h"

#include "app/agent_call.h"
#include "app/control.h"
#include "app/exit_code.h"
#include "base/cleanup.h"
#include "base/terminal.h"

#include <stdio.h>

enum { RELOAD_WAIT_S = 60 };

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
