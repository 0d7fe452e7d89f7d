/*
 * control_socket - the control socket in its directory
 *
 * Where it lies, and how a worker makes and removes it: the directory may be on a file system that
 * hangs.
 */
#ifndef LEAFD_APP_CONTROL_SOCKET_H
#define LEAFD_APP_CONTROL_SOCKET_H

#include "base/err.h"

#include <limits.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>

enum { CONTROL_NAME_BYTES = 64 /* of the socket in its directory */ };

/*
 * control_socket_name - STEM-DIGEST.sock of the absolute path of the configuration
 *
 * If LEAFD_CONTROL_SOCKET is set, it is the whole path of the socket, and the name is its last
 * part.
 *
 * No symbolic link on the way is resolved: agent and command agree even if the link leads to
 * another directory by then, as that of a ConfigMap does after each change. Fails with class local.
 */
bool control_socket_name(const char *file, char to[static CONTROL_NAME_BYTES], struct err *err);

/* control_socket_folder - the directory in which this process makes the socket; false if no
 * variable names one */
bool control_socket_folder(char to[static PATH_MAX]);

/*
 * control_socket_search - opens a directory in which a command looks for the agent's socket
 *
 * *ret_agent is the user whose agent may answer there, beside root and this user: the owner of the
 * directory, unless others may write it. Only root and this user may write the directory above it;
 * else whoever may could answer for the agent. The descriptor is for calls with a name (O_PATH) and
 * the caller's. Fails with class local; err->errnum is ENOENT if it does not exist.
 */
bool control_socket_search(const char *folder, int *ret_fd, uid_t *ret_agent, struct err *err);

/* control_socket_address - names the socket through the directory's descriptor: a path may be
 * longer than sun_path, and may change */
struct sockaddr_un control_socket_address(int dir_fd, const char *name);

/* control_socket_connect - connects without blocking; false with errno set. *ret_fd is the caller's
 * in any case, -1 if there is none */
bool control_socket_connect(int dir_fd, const char *name, int *ret_fd);

/* Which socket file it is; {0}: none. The time tells apart two that got the same inode. */
struct control_identity {
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

/* What control_socket_make makes. */
struct control_making {
    char *file;
    int fd;       /* the listening socket; -1: not made */
    int owner_fd; /* a pidfd of the agent that listens there; -1: none, or it is not visible */
    char folder[PATH_MAX], name[CONTROL_NAME_BYTES], path[PATH_MAX + CONTROL_NAME_BYTES];
    struct control_identity made; /* before, and afterwards */
    bool has_folder;              /* a variable names a directory for it */
    bool is_open;                 /* that directory is usable */
    bool is_there;                /* the socket that was made before still exists */
    bool is_taken;                /* another agent listens there */
};

/* control_socket_make - a worker's job: makes the socket of a struct control_making, unless it is
 * there or another agent has it. Fails with class local */
bool control_socket_make(void *job, struct err *err);

/* control_making_free - frees the job and what it holds */
void control_making_free(void *job);

/* What control_socket_remove removes. */
struct control_removal {
    char folder[PATH_MAX], name[CONTROL_NAME_BYTES];
    struct control_identity made;
};

/* control_socket_remove - a worker's job: removes the socket of a struct control_removal, unless
 * another agent has made one there since. Fails with class local */
bool control_socket_remove(void *job, struct err *err);

#endif
