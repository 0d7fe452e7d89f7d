/*
 * act_commands - the commands that have the running agent act: `leafd renew`, `retry` and `revoke`
 *
 * `file` is the configuration's main file, by which the agent is found. Each begins an errand
 * (app/errands) and prints the outcome of each certificate when it is known. A command that is
 * interrupted only stops waiting. Each returns the exit code: EXIT_FINE if all went well,
 * EXIT_RETRY if another try may help or the time is over, EXIT_REFUSED if the CA refused or denied
 * it, EXIT_USAGE if a name is wrong.
 */
#ifndef LEAFD_APP_ACT_COMMANDS_H
#define LEAFD_APP_ACT_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* renew_command - issues the named certificates now, or all of them if `count` is 0; waits for
 * `wait_s` seconds at most, 0: as long as it makes progress */
int renew_command(const char *file, const char *const *names, size_t count, uint64_t wait_s);

/* retry_command - ends the waits after failures of the named certificates, or of all */
int retry_command(const char *file, const char *const *names, size_t count, uint64_t wait_s);

/* revoke_command - revokes the named certificates, and issues others unless `withdraws`; returns -1
 * if no agent runs, or one that cannot do it */
int revoke_command(const char *file, const char *const *names, size_t count, bool withdraws);

#endif
