/*
 * daemon - `leafd run`
 */
#ifndef LEAFD_APP_DAEMON_H
#define LEAFD_APP_DAEMON_H

#include "config/config.h"

/*
 * daemon_run - keeps all certificates fresh until SIGTERM or SIGINT
 *
 * Takes the reference of `config`, which was read from `file`; SIGHUP reads that file again.
 * Returns the exit code: 0 after a signal, 1 if the daemon could not be set up.
 */
int daemon_run(struct config *config, const char *file);

#endif
