/*
 * revoke - `leafd revoke`: takes published certificates back, and has them replaced
 */
#ifndef LEAFD_APP_REVOKE_H
#define LEAFD_APP_REVOKE_H

#include "config/config.h"

/*
 * revoke_run - revokes what is published of the named certificates
 *
 * Borrows `config`. Unless `reissue` is false, what was revoked is issued anew: by the agent that
 * runs, which sees the mark, or else here and now. Prints what it does; returns the exit code.
 */
int revoke_run(struct config *config, const char *const *names, size_t count, bool reissue);

#endif
