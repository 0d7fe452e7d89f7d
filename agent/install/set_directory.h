/*
 * set_directory - opens the directory of a set safely
 *
 * All work in the directory uses its descriptor, so that nobody can redirect it by renaming the
 * directory. A user who can write a directory on the way could redirect the path, for leafd and for
 * consumers. So each of them must belong to root or to this process's user (base/trust). Only one
 * agent works in a set (set_claim). All functions block on the disk.
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
 * set_directory_open - opens the directory, after checking it and the way to it
 *
 * Creates it with `mode` if it is missing and its parent exists. Refuses a directory that another
 * user owns, that group or others may write, or that is reached through such a directory. The
 * descriptor belongs to the caller; *ret_about gets the attributes of the directory. Fails with
 * class local.
 */
bool set_directory_open(const char *path, mode_t mode, int *ret_fd, struct stat *ret_about,
                        struct err *err);

/*
 * set_directory_visit - the same for an existing directory that this process's user may write
 *
 * Creates nothing. errnum is ENOENT if it does not exist.
 */
bool set_directory_visit(const char *path, int *ret_fd, struct stat *ret_about, struct err *err);

/*
 * set_directory_would_open - whether set_directory_open would succeed
 *
 * Creates nothing, so that it may be called while an agent runs. Fails with class local and says
 * what is wrong.
 */
bool set_directory_would_open(const char *path, struct err *err);

/* The remarks of `leafd check` on a directory; "": none. */
struct set_directory_remarks {
    char refusal[ERR_TEXT_BYTES]; /* why it would be refused */
    char advice[ERR_TEXT_BYTES];  /* what is allowed but unwise */
    uid_t user;                   /* the user for whom it was checked */
    bool is_there;
};

/*
 * set_directory_remark - which other users may write the directory of a set, or the way to it
 *
 * Checks on behalf of the directory's owner, or of this process's user if it does not exist.
 * Creates nothing. A directory that does not exist, or that this user may not read, gets no remark.
 */
void set_directory_remark(const char *path, struct set_directory_remarks *ret_remarks);

/* set_directory_look - opens the directory without checking it; fails with class local */
bool set_directory_look(const char *path, int *ret_fd, struct err *err);

/*
 * set_directory_mode - sets the permissions of a directory that leafd has just created
 *
 * Removes the access control lists that it got from its parent. Keeps the setgid bit, which
 * mkdir(2) copies from the parent: new files then belong to the parent's group, as with Kubernetes'
 * fsGroup. Linux clears the bit if this process is no member of that group. Fails with class local;
 * the text does not name the path.
 */
bool set_directory_mode(int fd, mode_t mode, struct err *err);

/*
 * set_directory_is_private - whether only root and its owner may write the open directory or
 * redirect its path
 *
 * For any caller, also a user who is not the owner. Fails with class local if others may.
 */
bool set_directory_is_private(const char *path, int fd, struct err *err);

/* -- files in a set -------------------------------------------------------------------------------
 *
 * Other users who could write a set's directory for a while may have left files there. So leafd
 * checks each file that it reads: it must belong to root or to the set's owner, and nobody else may
 * write it. Files are opened relative to the directory's descriptor and never through a link, and
 * checked on the descriptor that is read.
 *
 * Outputs are not checked this way, because they may belong to their consumers. The record of the
 * generation holds their digests, and its certificate proves which key is the right one.
 */

/*
 * set_file_trust - the users whose files count in the open set directory
 *
 * They are root and the directory's owner; if root owns it, root and this process's user.
 */
struct trust set_file_trust(int set_fd);

/*
 * set_file_open - opens a regular file for reading, never through a link; does not check its owner
 *
 * Fails with class local, with errnum if a system call failed.
 */
bool set_file_open(int dir_fd, const char *name, int *ret_fd, struct err *err);

/*
 * set_file_read - adds the content of a file in `dir_fd` to `bytes`, after checking who may write
 * it
 *
 * `dir_fd` is the set's directory, or a generation that was checked. Fails with class local; errnum
 * is EPERM if another user may write the file.
 */
bool set_file_read(struct trust *trust, int dir_fd, const char *name, struct bytes *bytes,
                   struct err *err);

/* set_file_open_directory - opens a directory in the set, after the same check; fails as
 * set_file_read */
bool set_file_open_directory(struct trust *trust, int set_fd, const char *name, int *ret_fd,
                             struct err *err);

/* set_file_read_link - the target of a symbolic link, after the same check; fails as
 * set_file_read */
bool set_file_read_link(int set_fd, const char *name, char ret_target[static PATH_MAX],
                        struct err *err);

#endif
