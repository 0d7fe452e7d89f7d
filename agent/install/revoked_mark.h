/*
 * revoked_mark - "this generation's certificate was revoked"
 *
 * "..revoked" in the set's directory holds the name of the generation and, on a second line,
 * whether nobody wants another certificate (`leafd revoke --no-reissue`). `leafd revoke` writes it;
 * the agent sees it at once (inotify), at its next look or at its next start. It means nothing as
 * soon as another generation is published.
 */
#ifndef LEAFD_INSTALL_REVOKED_MARK_H
#define LEAFD_INSTALL_REVOKED_MARK_H

#include "base/err.h"

#include <stdbool.h>

enum revocation {
    REVOCATION_NONE,
    REVOCATION_REPLACED, /* revoked, and to be replaced */
    REVOCATION_FINAL     /* revoked, and not to be replaced until somebody asks for it */
};

extern const char revoked_mark_name[];

/* revoked_mark_write - marks the generation; fails with class local */
bool revoked_mark_write(int set_fd, const char *generation, enum revocation revocation,
                        struct err *err);

/* revoked_mark_read - what the mark says of the generation; nothing if others may write the mark */
enum revocation revoked_mark_read(int set_fd, const char *generation);

/* revoked_mark_clear - removes the mark, whatever it says; none is fine */
void revoked_mark_clear(int set_fd);

#endif
