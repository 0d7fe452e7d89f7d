/*
 * socket_path - opens the path of a Unix socket off the loop
 *
 * connect(2) resolves the path itself, and a mount on the way may hang. So a worker opens the
 * socket with O_PATH, and the loop connects through /proc, which no longer resolves the original
 * path.
 */
#ifndef LEAFD_BASE_SOCKET_PATH_H
#define LEAFD_BASE_SOCKET_PATH_H

#include "base/worker.h"

#include <stdint.h>
#include <sys/types.h>

enum { SOCKET_PATH_BYTES = 32 };

/*
 * socket_path_start - opens the socket at `path`, within the time limit
 *
 * Borrows `path` during the call. Links are followed, as connect(2) does. Fails with class consumer
 * and errnum set if it is not there, with class local if memory ran out. NULL with *err filled if
 * it could not start.
 */
struct slot *socket_path_start(sd_event *loop, struct workers *workers, const char *path,
                               uint64_t limit_us, slot_done *on_done, void *arg, struct err *err);

/* socket_path_take - in on_done of a slot that ended well: gives the open socket to the caller */
int socket_path_take(struct slot *slot);

/* socket_path_write - writes the path for connecting to the open socket, valid while it is open */
void socket_path_write(int fd, char to[static SOCKET_PATH_BYTES]);

/*
 * socket_path_connect - connects to a socket at which no other user can listen; for a worker
 *
 * Only root and `user` may write the socket's directory and every directory on the way to it, so
 * that no other socket can take its place, and root, `user` or our own user called listen(2)
 * (base/trust). The socket itself must not be a link. *ret_fd is non-blocking, and -1 if the listen
 * queue is full: connect(2), EAGAIN. Fails with class consumer and errnum set if no process
 * listens, with class local if another user may listen.
 */
bool socket_path_connect(const char *path, uid_t user, int *ret_fd, struct err *err);

#endif
