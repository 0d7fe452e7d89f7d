/*
 * agent_commands - the commands that have the running agent do something: `leafd reload`
 *
 * `file` is the configuration's main file, by which the agent is found. Each returns the exit code
 * and prints its errors.
 */
#ifndef LEAFD_APP_AGENT_COMMANDS_H
#define LEAFD_APP_AGENT_COMMANDS_H

#include <stdint.h>

/*
 * reload_command - has the agent read its configuration
 *
 * Waits for `wait_s` seconds at most; 0: a minute. EXIT_FINE if the configuration was applied,
 * EXIT_USAGE if it was refused, whose problems are printed, EXIT_RETRY if no agent answers.
 */
int reload_command(const char *file, uint64_t wait_s);

#endif
