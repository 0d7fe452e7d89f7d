/*
 * set_directory - the directory in which one certificate's files live
 *
 * Opened once and held: all further work goes through the descriptor, so that nobody can move the
 * directory away underneath and have keys written elsewhere. The lock is on the directory itself
 * (flock(2)), not on a file in it that somebody could remove: one agent per directory.
 */
#ifndef LEAFD_INSTALL_SET_DIRECTORY_H
#define LEAFD_INSTALL_SET_DIRECTORY_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * set_directory_open - opens the directory for writing and takes the lock
 *
 * Makes it with `mode` if it is missing and its parent is there. Refuses one that somebody else
 * owns, or that group or others may write. The descriptor belongs to the caller; closing it gives
 * the lock back. Fails with class local, and errnum EWOULDBLOCK where another agent has the lock.
 */
bool set_directory_open(const char *path, mode_t mode, int *ret_fd, struct err *err);

/*
 * set_directory_would_open - whether set_directory_open would work, by what can be seen
 *
 * Makes nothing and takes no lock, so that it can be asked beside a running agent. Fails with class
 * local and says what is in the way.
 */
bool set_directory_would_open(const char *path, struct err *err);

/* set_directory_look - opens the directory for reading only, without the lock; class local */
bool set_directory_look(const char *path, int *ret_fd, struct err *err);

/*
 * set_directory_mode - sets the permissions of a directory that was made a moment ago
 *
 * Keeps the setgid bit that mkdir(2) takes over from the parent: whatever is made in the directory
 * then belongs to the parent's group, as Kubernetes' fsGroup wants it. Linux drops the bit if this
 * process is no member of that group. Fails with class local, without the path.
 */
bool set_directory_mode(int fd, mode_t mode, struct err *err);

/* set_directory_is_safe - whether still nobody but us and root may write it; class local if not */
bool set_directory_is_safe(const char *path, int fd, struct err *err);

/* set_directory_is_private - the same for whoever made the generation in it, asked by anybody */
bool set_directory_is_private(const char *path, int fd, const char *generation, struct err *err);

/* set_directory_same - whether the path still leads to the open directory; class local if not */
bool set_directory_same(const char *path, int fd, struct err *err);

#endif
