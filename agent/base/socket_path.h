/*
 * socket_path - the way to a Unix socket, walked off the loop
 *
 * connect(2) walks the path itself, on whatever mounts lie on the way, and one of them may hang. So
 * a worker opens the socket as a path (O_PATH), and whoever connects names that descriptor: the
 * kernel walks no further than /proc then.
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

/* socket_path_take - in on_done, of a slot that ended well: the open socket, which is the caller's
 */
int socket_path_take(struct slot *slot);

/* socket_path_write - the path by which the open socket is connected to, as long as it is open */
void socket_path_write(int fd, char to[static SOCKET_PATH_BYTES]);

/*
 * socket_path_connect - connects to a socket where nobody else can listen; for a worker
 *
 * The socket lies in a directory that nobody but root and `user` may write, nor any on the way to
 * it, so that no other can take its place, and it was one of them or we ourselves who called
 * listen(2) (base/trust). The socket itself is no link. *ret_fd does not block, and is -1 if the
 * queue of those who want to connect is full: connect(2), EAGAIN. Fails with class consumer and
 * errnum set if nobody listens, with class local where somebody else may.
 */
bool socket_path_connect(const char *path, uid_t user, int *ret_fd, struct err *err);

#endif
