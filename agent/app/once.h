/*
 * once - `leafd once`
 *
 * Runs as the daemon does, until each certificate has come to rest; for init containers and cron.
 */
#ifndef LEAFD_APP_ONCE_H
#define LEAFD_APP_ONCE_H

#include "app/exit_code.h"
#include "config/config.h"

#include <stdint.h>

/*
 * once_run - issues the named certificates that are missing or due (`count` 0: all)
 *
 * Takes the reference of `config`. Failures are retried for up to `wait_s` seconds, as in the
 * daemon, with a last try before the end: by a quarter of the time, but at most by 15 s; 0 tries
 * each certificate once. Returns EXIT_FINE if all are fresh, EXIT_RETRY if a later run may help,
 * EXIT_REFUSED if the CA refused or denied one.
 */
int once_run(struct config *config, const char *const *names, size_t count, uint64_t wait_s);

#endif
