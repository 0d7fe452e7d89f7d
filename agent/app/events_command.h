/*
 * events_command - `leafd events`: the last events of the running agent, and those that follow
 */
#ifndef LEAFD_APP_EVENTS_COMMAND_H
#define LEAFD_APP_EVENTS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* Which events are printed, and how. */
struct events_wish {
    const char *const *names; /* only of these certificates; `count` 0: all */
    size_t count;
    bool follows; /* until it is interrupted, also when the agent restarts */
    bool json;    /* one object in each line */
};

/*
 * events_command - prints the events
 *
 * Returns the exit code: EXIT_RETRY if no agent runs, which names the journalctl command instead,
 * or if the output cannot be written.
 */
int events_command(const char *file, const struct events_wish *wish);

#endif
