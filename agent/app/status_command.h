/*
 * status_command - `leafd status` and `leafd ready`
 *
 * Both ask the running agent for the document of app/status; if none answers, they read the
 * configuration and the disk. `file` is the configuration's main file, by which the agent is found.
 * Each returns the exit code and prints its errors.
 */
#ifndef LEAFD_APP_STATUS_COMMAND_H
#define LEAFD_APP_STATUS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct status_order {
    const char *file;
    const char *const *names; /* everything about these; none: a table of all */
    size_t count;
    bool json;
    bool watch;       /* show it again and again, until the output is closed */
    uint64_t every_s; /* the pause between; 0: two seconds, or more if the agent takes long */
};

/*
 * status_command - shows what is known of the certificates
 *
 * EXIT_FINE if all are fresh, EXIT_RETRY if not, EXIT_HIDDEN if this user may not read all of it,
 * EXIT_USAGE if a name or the configuration is wrong.
 */
int status_command(const struct status_order *order);

/*
 * ready_command - whether every certificate is ready (status_is_ready), for probes
 *
 * Asks as status_command does, until it is so or `wait_s` seconds are over. Prints nothing but the
 * reason why not, and errors.
 */
int ready_command(const char *file, uint64_t wait_s);

#endif
