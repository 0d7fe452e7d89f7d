/*
 * set_lock - one agent for each set
 *
 * The lock is on "..lock" in the set's directory, which only the set's owner and root can open: a
 * lock on the directory would be anybody's who may read it, and would keep a certificate from being
 * renewed until it ends. It is a lock of flock(2).
 *
 * The directory is locked beside it, so that a lock that somebody removed does not let a second
 * agent in. That lock is anybody's, so it counts only where the kernel shows it among the open
 * files of an agent: a process with the name of this one, of root, of this process's user or of the
 * directory's. Where those may not be looked at, "..lock" alone decides.
 */
#ifndef LEAFD_INSTALL_SET_LOCK_H
#define LEAFD_INSTALL_SET_LOCK_H

#include "base/err.h"

#include <stdbool.h>

/*
 * set_lock_take - locks the set in the open directory, of which `path` is the name in texts
 *
 * For a directory that only this user and root may write. Makes the lock where it is not there, and
 * replaces what is none: another kind of file, or one that others own or may open. *ret_fd belongs
 * to the caller; the lock ends when it, the directory and all their duplicates are closed. Fails
 * with class local, and errnum EWOULDBLOCK where another agent has the lock.
 */
bool set_lock_take(int set_fd, const char *path, int *ret_fd, struct err *err);

/* set_lock_stands - whether the lock is still in place: not removed, not replaced; class local */
bool set_lock_stands(int set_fd, const char *path, int lock_fd, struct err *err);

/* set_lock_is_held - whether an agent works in the directory; then *ret_who tells as set_lock_take
 * does. Makes nothing. */
bool set_lock_is_held(int set_fd, const char *path, struct err *ret_who);

#endif
