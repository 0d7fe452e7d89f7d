/*
 * agent_commands - the commands that ask the running agent: `leafd reload`, `status` and `ready`
 *
 * `file` is the configuration's main file, by which the agent is found. Each returns the exit code
 * and prints its errors.
 */
#ifndef LEAFD_APP_AGENT_COMMANDS_H
#define LEAFD_APP_AGENT_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * reload_command - has the agent read its configuration
 *
 * Waits for `wait_s` seconds at most; 0: a minute. EXIT_FINE if the configuration was applied,
 * EXIT_USAGE if it was refused, whose problems are printed, EXIT_RETRY if no agent answers.
 */
int reload_command(const char *file, uint64_t wait_s);

/*
 * status_command - prints what is known of the named certificates, or of all if `count` is 0
 *
 * Asks the agent; if none answers, reads the configuration and the disk. EXIT_FINE if all are
 * fresh, EXIT_RETRY if not, EXIT_HIDDEN if this user may not read all of it, EXIT_USAGE if a name
 * or the configuration is wrong.
 */
int status_command(const char *file, const char *const *names, size_t count, bool json);

/*
 * ready_command - whether every certificate is ready (status_is_ready), for probes
 *
 * Asks as status_command does, until it is so or `wait_s` seconds are over. Prints nothing but
 * errors.
 */
int ready_command(const char *file, uint64_t wait_s);

#endif
