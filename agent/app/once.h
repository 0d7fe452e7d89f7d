/*
 * once - `leafd once`
 *
 * The same certificates as the daemon's, until each has come to rest: init containers, cron.
 */
#ifndef LEAFD_APP_ONCE_H
#define LEAFD_APP_ONCE_H

#include "app/exit_code.h"
#include "config/config.h"

#include <stdint.h>

/*
 * once_run - issues what is missing or due among the named certificates (`count` 0: all)
 *
 * Takes the reference of `config`. A failure worth retrying is retried for up to `wait_s` seconds,
 * as the daemon would, though with a last try a quarter of that, at most 15 s, before it is over; 0
 * tries each certificate once. Returns EXIT_FINE if all are fresh,
 * EXIT_RETRY if a later run may help, EXIT_REFUSED if the CA refused or denied one.
 */
int once_run(struct config *config, const char *const *names, size_t count, uint64_t wait_s);

#endif
