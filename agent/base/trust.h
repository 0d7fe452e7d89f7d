/*
 * trust - who else may write this, and who answers here
 *
 * A path is worth what its weakest directory is worth: whoever may write one of them can exchange
 * all that lies below. So each component is opened beneath the one before, links are followed by
 * hand, and every directory and link on the way is judged on the descriptor that is used next;
 * nobody can exchange it in between. This is what sshd's StrictModes asks of a user's files.
 *
 * Trusted are root and one more user, who is usually the one that this process runs as. A directory
 * on the way may be written by others if it is sticky, as /tmp is: there they can exchange nothing
 * that is not their own. Not held against anybody:
 *
 * - a mount that is read-only, unless systemd runs the machine: a unit's sandbox shows as read-only
 *   what others may write elsewhere;
 * - the root of a mount that belongs to root, whatever its mode: Kubernetes makes its volumes 0777,
 *   or writable by the pod's group, and only containers that mount them are inside. It is advice;
 * - in a user namespace the overflow uid, which stands for every user outside, root among them:
 *   user_namespaces(7).
 *
 * An access control list that lets others write shows in the bits of the group: acl(5).
 */
#ifndef LEAFD_BASE_TRUST_H
#define LEAFD_BASE_TRUST_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Initialise with {.user = geteuid()}, and use it for as many paths as are to be judged so. */
struct trust {
    uid_t user;  /* who may write beside root */
    gid_t group; /* whose members may write directories on the way, but by no ACL; 0: nobody's */
    const char *who;             /* for texts: who that is; NULL: this process runs as it */
    char advice[ERR_TEXT_BYTES]; /* of the last path: what is unwise and yet no fault; "" nothing */
    bool through_volume;         /* the last path led through root's link into ..data of kubelet */
};

/*
 * trust_open_directory - opens a directory after judging it and everything on the way to it
 *
 * A relative path starts at the working directory, and is judged from the root all the same. The
 * descriptor can be read and belongs to the caller. The directory itself may be sticky as well;
 * trust_check_fd is for those in which others must not even add anything. Fails with class local
 * and errnum set where a system call failed (ENOENT: it is not there, EPERM: others may write).
 */
bool trust_open_directory(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * trust_open_file - opens a regular file for reading, after judging it and all on the way to it
 *
 * The rest as for trust_open_directory. Opened without waiting; a device or FIFO is not opened.
 */
bool trust_open_file(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * trust_check_file - judges a regular file and all on the way to it, and whether we may use it
 *
 * `how` is R_OK or X_OK of access(2). Nothing is read, so that a program need not be readable. The
 * rest as for trust_open_directory; errnum is EACCES where it is not for us to use.
 */
bool trust_check_file(struct trust *trust, const char *path, int how, struct err *err);

/*
 * trust_open_program - the same for a program, and keeps what was judged
 *
 * The descriptor can be executed and nothing else (O_PATH), and belongs to the caller.
 */
bool trust_open_program(struct trust *trust, const char *path, int *ret_fd, struct err *err);

/* Who may read a file beside its owner and its group. */
enum trust_readers {
    TRUST_NOBODY_ELSE,
    TRUST_POD,      /* the containers that mount this volume of kubelet */
    TRUST_MOUNT,    /* whoever gets at a mount whose mode is likely not the owner's choice */
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
 * *ret_name is the last component, within `path`; what bears that name, if anything does, is not
 * looked at. Fails also for a path without such a name ("/", "a/.."). The descriptor is for the
 * calls that take a directory and a name (O_PATH), and needs no right to read the directory. The
 * rest as for trust_open_directory.
 */
bool trust_open_parent(struct trust *trust, const char *path, int *ret_fd, const char **ret_name,
                       struct err *err);

/*
 * trust_check_fd - whether nobody but root and the user may write the open file or directory
 *
 * `path` is for the text. A sticky directory is writable for whoever its mode names: they can put
 * things into it. Sets the advice. Fails with class local, errnum EPERM.
 */
bool trust_check_fd(struct trust *trust, int fd, const char *path, struct err *err);

/*
 * trust_peer - whether root, this process's user or `user` holds the other end of a Unix socket
 *
 * Of a connection to a listening socket, that is who called listen(2): unix(7), SO_PEERCRED. `path`
 * is for the text. Fails with class local, errnum EPERM where somebody else does.
 */
bool trust_peer(int socket_fd, uid_t user, const char *path, struct err *err);

#endif
