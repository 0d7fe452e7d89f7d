/*
 * trust - checks which users may write a file, and which user listens at a socket
 *
 * A user who can write one directory of a path can replace everything below it. So each component
 * is opened relative to the previous one, links are resolved here, and every directory and link is
 * checked on the descriptor that is used next, so that it cannot be replaced in between. sshd's
 * StrictModes checks a user's files in the same way.
 *
 * Root and one more user are trusted, usually the user of this process. Other users may write a
 * directory on the way if it is sticky, like /tmp, where they cannot replace files of others. Also
 * accepted are:
 *
 * - a read-only mount, unless systemd runs the machine: in a unit's sandbox, directories that
 *   others may write look read-only;
 * - the root directory of a mount, if it belongs to root, with any mode: Kubernetes makes its
 *   volumes 0777, or writable for the pod's group, and only the containers that mount them have
 *   access. The advice mentions it;
 * - in a user namespace the overflow uid, which stands for all users outside, also for root:
 *   user_namespaces(7).
 *
 * An access control list that lets others write is visible in the group bits: acl(5).
 */
#ifndef LEAFD_BASE_TRUST_H
#define LEAFD_BASE_TRUST_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Initialise with {.user = geteuid()}. May be used for many paths. */
struct trust {
    uid_t user;      /* the user who is trusted beside root */
    gid_t group;     /* members may write directories on the way, but not by an ACL; 0: no group */
    const char *who; /* name of that user for texts; NULL: it is the user of this process */
    char advice[ERR_TEXT_BYTES]; /* about the last path: what is allowed but unwise; "": nothing */
    bool through_volume; /* the last path led through a link into ..data that belongs to root, as
                            kubelet makes it */
};

/*
 * trust_open_directory - opens a directory, after checking it and all directories on the way to it
 *
 * A relative path begins at the working directory, which is checked from / as well. The descriptor
 * is readable and belongs to the caller. The directory itself may be sticky; trust_check_fd also
 * refuses that. Fails with class local, with errnum if a system call failed (ENOENT: it does not
 * exist), and EPERM if other users may write.
 */
bool trust_open_directory(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * trust_open_file - opens a regular file for reading, after checking it and all directories on the
 * way to it
 *
 * The rest as for trust_open_directory. Opens with O_NONBLOCK. Does not open devices and FIFOs.
 */
bool trust_open_file(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * trust_check_file - checks a regular file, all directories on the way to it, and whether we may
 * use it
 *
 * `how` is R_OK or X_OK of access(2). The file is not opened for reading, so a program need not be
 * readable. The rest as for trust_open_directory; errnum is EACCES if we may not use it.
 */
bool trust_check_file(struct trust *trust, const char *path, int how, struct err *err);

/*
 * trust_open_program - the same for a program, and gives the checked file
 *
 * The descriptor can only be executed (O_PATH) and belongs to the caller.
 */
bool trust_open_program(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/* Which users may read a file, beside its owner and group. */
enum trust_readers {
    TRUST_NOBODY_ELSE,
    TRUST_POD,   /* the containers that mount this volume of kubelet */
    TRUST_MOUNT, /* users who can reach a mount whose mode was probably not chosen by the owner of
                    the file */
    TRUST_EVERYBODY /* all users of this machine */
};

/*
 * trust_readers - who may read the file that trust_open_file opened last, by its mode and mount
 *
 * TRUST_MOUNT is a file on a read-only mount, or below /run/secrets, where Docker and Podman make
 * files readable for all users of the container.
 */
enum trust_readers trust_readers(const struct trust *trust, int fd, const char *path);

/*
 * trust_open_parent - opens the directory of an entry that is to be created, replaced or connected
 * to
 *
 * *ret_name points to the last component in `path`; an entry of that name is not checked. The
 * descriptor is for calls with a directory and a name (O_PATH), and needs no permission to read the
 * directory. Fails also for a path without such a name ("/", "a/.."). The rest as for
 * trust_open_directory.
 */
bool trust_open_parent(struct trust *trust, const char *path, int *ret_fd, const char **ret_name,
                       struct err *err);

/*
 * trust_check_fd - whether only root and the user may write the open file or directory
 *
 * `path` is for the text. A sticky directory counts as writable, since others can add files to it.
 * Sets the advice. Fails with class local and errnum EPERM.
 */
bool trust_check_fd(struct trust *trust, int fd, const char *path, struct err *err);

/*
 * trust_peer - whether the peer of a Unix socket is root, this process's user or `user`
 *
 * On a connection to a listening socket, the peer is the process that called listen(2): unix(7),
 * SO_PEERCRED. `path` is for the text. Fails with class local; errnum is EPERM for another user.
 */
bool trust_peer(int socket_fd, uid_t user, const char *path, struct err *err);

#endif
