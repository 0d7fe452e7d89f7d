/*
 * revoked_mark - "this generation's certificate was revoked"
 *
 * "..revoked" in the set's directory holds the name of the generation. `leafd revoke` leaves it;
 * the agent sees it at once (inotify) or at its next start, and issues anew. It means nothing as
 * soon as another generation is published.
 */
#ifndef LEAFD_INSTALL_REVOKED_MARK_H
#define LEAFD_INSTALL_REVOKED_MARK_H

#include "base/err.h"

#include <stdbool.h>

extern const char revoked_mark_name[];

/* revoked_mark_write - marks the generation; fails with class local */
bool revoked_mark_write(int set_fd, const char *generation, struct err *err);

/* revoked_mark_is - whether the generation is marked */
bool revoked_mark_is(int set_fd, const char *generation);

/* revoked_mark_clear - removes the mark, whatever it says; none is fine */
void revoked_mark_clear(int set_fd);

#endif
