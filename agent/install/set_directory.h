/*
 * set_directory - the directory in which one certificate's files live
 *
 * All work in it goes through a descriptor, so that nobody can move the directory away underneath
 * and have keys written elsewhere. Whoever may write a directory on the way to it could lead the
 * path elsewhere, and whoever reads files by their names with it: each of them belongs to root or
 * to this process's user (base/trust). One agent works in it (set_claim).
 */
#ifndef LEAFD_INSTALL_SET_DIRECTORY_H
#define LEAFD_INSTALL_SET_DIRECTORY_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/trust.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * set_directory_open - opens the directory, after judging it and the way to it
 *
 * Makes it with `mode` if it is missing and its parent is there. Refuses one that somebody else
 * owns, or that group or others may write, and one to which the way leads through such a directory.
 * The descriptor belongs to the caller; *ret_about is what it looks like. Fails with class local.
 */
bool set_directory_open(const char *path, mode_t mode, int *ret_fd, struct stat *ret_about,
                        struct err *err);

/*
 * set_directory_visit - opens a directory that is there, after the same judgement
 *
 * Makes nothing; this process's user must be able to write in it. As set_directory_open; errnum is
 * ENOENT where nothing is there.
 */
bool set_directory_visit(const char *path, int *ret_fd, struct stat *ret_about, struct err *err);

/*
 * set_directory_would_open - whether set_directory_open would work, by what can be seen
 *
 * Makes nothing, so that it can be asked beside a running agent. Fails with class
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

/* set_directory_look - opens the directory as it is, without judging it; class local */
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

/* set_directory_is_private - whether still nobody but root and its owner may write the open
 * directory, or lead its path elsewhere, asked by anybody; class local if not */
bool set_directory_is_private(const char *path, int fd, struct err *err);

/* -- what lies in a set ---------------------------------------------------------------------------
 *
 * It is believed by its owner.
 *
 * A set's directory that others could write for a while may hold what they put there, long after
 * the way was closed. So whatever tells leafd something is judged by itself before it counts: it
 * belongs to root or to the set's owner, and nobody else may write it. It is opened beneath the
 * directory's descriptor and never through a link, and judged on the descriptor that is read.
 *
 * The outputs in a generation are not judged so, since they may belong to their consumers: the
 * record of a generation holds their digests, and its certificate vouches for the key.
 */

/*
 * set_file_trust - for whom what lies in the open set directory is judged
 *
 * Beside root that is the directory's owner; where root owns it, this process's user.
 */
struct trust set_file_trust(int set_fd);

/*
 * set_file_open - opens a regular file for reading, never through a link; not judged
 *
 * Fails with class local and errnum set where a system call failed.
 */
bool set_file_open(int dir_fd, const char *name, int *ret_fd, struct err *err);

/*
 * set_file_read - adds the whole of a judged file in `dir_fd` to `bytes`
 *
 * `dir_fd` is the set's directory, or a generation that was judged. Fails with class local; errnum
 * is EPERM where somebody else may write the file.
 */
bool set_file_read(struct trust *trust, int dir_fd, const char *name, struct bytes *bytes,
                   struct err *err);

/* set_file_open_directory - opens a judged directory in the set's; as set_file_read */
bool set_file_open_directory(struct trust *trust, int set_fd, const char *name, int *ret_fd,
                             struct err *err);

/* set_file_read_link - where a judged symbolic link leads to; as set_file_read */
bool set_file_read_link(int set_fd, const char *name, char ret_target[static PATH_MAX],
                        struct err *err);

#endif
