/*
 * set_directory - the directory in which one certificate's files live
 *
 * Opened once and held: all further work goes through the descriptor, so that nobody can move the
 * directory away underneath and have keys written elsewhere. Whoever may write a directory on the
 * way to it could lead the path elsewhere, and whoever reads files by their names with it: each of
 * them belongs to root or to this process's user (base/trust). One agent works in it (set_lock).
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
 * owns, or that group or others may write, and one to which the way leads through such a directory.
 * Both descriptors belong to the caller; closing them gives the lock back. Fails with class local,
 * and errnum EWOULDBLOCK where another agent has the lock, of the directory's owner if that is
 * somebody else.
 */
bool set_directory_open(const char *path, mode_t mode, int *ret_fd, int *ret_lock_fd,
                        struct err *err);

/*
 * set_directory_visit - opens a directory that is there, after the same judgement, beside its agent
 *
 * Makes nothing and takes no lock. The descriptor belongs to the caller. Fails with class local,
 * and errnum ENOENT where nothing is there.
 */
bool set_directory_visit(const char *path, int *ret_fd, struct err *err);

/*
 * set_directory_would_open - whether set_directory_open would work, by what can be seen
 *
 * Makes nothing and takes no lock, so that it can be asked beside a running agent. Fails with class
 * local and says what is in the way.
 */
bool set_directory_would_open(const char *path, struct err *err);

/* What `leafd check` says of a directory; "" where there is nothing to say. */
struct set_directory_remarks {
    char refusal[ERR_TEXT_BYTES]; /* why it would not be opened: others may write it, or the way */
    char advice[ERR_TEXT_BYTES];  /* what is unwise and yet no fault */
    uid_t user;                   /* for whom it was judged */
    bool is_there;
};

/*
 * set_directory_remark - who else may write the directory of a set, or the way to it
 *
 * Judged for its owner, whoever asks, or for this process's user if it is not there. Makes nothing;
 * that it is not there, or may not be looked at, is no remark.
 */
void set_directory_remark(const char *path, struct set_directory_remarks *ret_remarks);

/* set_directory_look - opens the directory for reading only, without the lock; class local */
bool set_directory_look(const char *path, int *ret_fd, struct err *err);

/*
 * set_directory_mode - sets the permissions of a directory that was made a moment ago
 *
 * Removes the access control lists that it got from the directory above.
 * Keeps the setgid bit that mkdir(2) takes over from the parent: whatever is made in the directory
 * then belongs to the parent's group, as Kubernetes' fsGroup wants it. Linux drops the bit if this
 * process is no member of that group. Fails with class local, without the path.
 */
bool set_directory_mode(int fd, mode_t mode, struct err *err);

/*
 * set_directory_is_safe - whether still nobody but us and root may write it, or a directory on the
 * way to it; class local if not
 */
bool set_directory_is_safe(const char *path, int fd, struct err *err);

/* set_directory_is_private - the same for the directory's owner, asked by anybody */
bool set_directory_is_private(const char *path, int fd, struct err *err);

/* set_directory_same - whether the path still leads to the open directory, and the lock is in
 * place; class local if not */
bool set_directory_same(const char *path, int fd, int lock_fd, struct err *err);

#endif
