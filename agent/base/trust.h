/*
 * trust - checks which users may write a file, and who listens at a socket
 *
 * A user who may write one directory of a path can exchange everything below it. So each component
 * is opened relative to the previous one, links are resolved here, and every directory and link on
 * the way is checked on the descriptor that is used next, so that it cannot be exchanged in
 * between. sshd's StrictModes makes the same demand of a user's files.
 *
 * Root and one more user are trusted, usually the user of this process. Others may write a
 * directory on the way if it is sticky, like /tmp: there they cannot exchange files of other users.
 * Accepted as well:
 *
 * - a read-only mount, unless systemd runs the machine: in a unit's sandbox, directories that
 *   others may write look read-only;
 * - the root of a mount that belongs to root, whatever its mode: Kubernetes makes its volumes 0777,
 *   or writable by the pod's group, and only containers that mount them are inside. It is advice;
 * - in a user namespace the overflow uid, which stands for every user outside, root among them:
 *   user_namespaces(7).
 *
 * An access control list that lets others write shows in the group bits: acl(5).
 */
#ifndef LEAFD_BASE_TRUST_H
#define LEAFD_BASE_TRUST_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Initialise with {.user = geteuid()}; may be used for many paths. */
struct trust {
    uid_t user;  /* the user who may write beside root */
    gid_t group; /* whose members may write directories on the way, but by no ACL; 0: nobody's */
    const char *who; /* for texts: a name for that user; NULL: the user of this process */
    char advice[ERR_TEXT_BYTES]; /* of the last path: advice on what is allowed but unwise; "" none
                                  */
    bool through_volume;         /* the last path led through root's link into ..data of kubelet */
};

/*
 * trust_open_directory - opens a directory after checking it and everything on the way to it
 *
 * A relative path starts at the working directory, and is checked from the root all the same. The
 * descriptor is readable and belongs to the caller. The directory itself may be sticky as well;
 * trust_check_fd is for directories to which others must not even add files. Fails with class
 * local, with errnum if a system call failed (ENOENT: it does not exist, EPERM: others may write).
 */
bool trust_open_directory(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * trust_open_file - opens a regular file for reading, after checking it and everything on the way
 * to it
 *
 * The rest as for trust_open_directory. Opens with O_NONBLOCK; a device or FIFO is not opened.
 */
bool trust_open_file(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * trust_check_file - checks a regular file, everything on the way to it, and whether we may use it
 *
 * `how` is R_OK or X_OK of access(2). The file is not read, so a program need not be readable. The
 * rest as for trust_open_directory; errnum is EACCES if we may not use it.
 */
bool trust_check_file(struct trust *trust, const char *path, int how, struct err *err);

/*
 * trust_open_program - the same for a program, and keeps the checked file open
 *
 * The descriptor can be executed and nothing else (O_PATH), and belongs to the caller.
 */
bool trust_open_program(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/* Who may read a file beside its owner and its group. */
enum trust_readers {
    TRUST_NOBODY_ELSE,
    TRUST_POD,      /* the containers that mount this volume of kubelet */
    TRUST_MOUNT,    /* users who can reach a mount whose mode the owner probably did not choose */
    TRUST_EVERYBODY /* on this machine */
};

/*
 * trust_readers - who may read the file that trust_open_file opened last, by its mode and its mount
 *
 * TRUST_MOUNT is a file on a read-only mount, or below /run/secrets, where Docker and Podman put
 * theirs for all to read.
 */
enum trust_readers trust_readers(const struct trust *trust, int fd, const char *path);

/*
 * trust_open_parent - opens the directory of something that is to be made, connected to or replaced
 *
 * *ret_name is the last component, within `path`; an existing entry of that name is not checked.
 * Fails also for a path without such a name ("/", "a/.."). The descriptor is for calls that take a
 * directory and a name (O_PATH), and needs no right to read the directory. The rest as for
 * trust_open_directory.
 */
bool trust_open_parent(struct trust *trust, const char *path, int *ret_fd, const char **ret_name,
                       struct err *err);

/*
 * trust_check_fd - whether only root and the user may write the open file or directory
 *
 * `path` is for the text. A sticky directory counts as writable, since others can add files to it.
 * Sets the advice. Fails with class local, errnum EPERM.
 */
bool trust_check_fd(struct trust *trust, int fd, const char *path, struct err *err);

/*
 * trust_peer - whether the peer of a Unix socket is root, this process's user or `user`
 *
 * For a connection to a listening socket, the peer is the process that called listen(2): unix(7),
 * SO_PEERCRED. `path` is for the text. Fails with class local, errnum EPERM for another user.
 */
bool trust_peer(int socket_fd, uid_t user, const char *path, struct err *err);

#endif
