/*
 * reload_socket - tells a consumer a line at its Unix socket, and hears whether it did it
 *
 * One connection a line, as the runtime API of HAProxy wants it. The answer ends with an empty line
 * or the end of the connection; reload_answer judges it. Where a transaction of HAProxy's failed,
 * it is aborted on a further connection, so that the next try and other certificates find none
 * open.
 *
 * Nothing is sent before it is clear who listens: the socket lies in a directory that nobody but
 * root and the user may write, nor any on the way to it, so that no other socket can take its
 * place, and it was one of them or we ourselves who called listen(2) (base/trust).
 *
 * A payload is sent as HAProxy takes it: " <<" behind the line, then the file without its empty
 * lines, then an empty line. It may be a private key: it stays in a secret, and no part of it that
 * a consumer sends back gets into a text.
 */
#ifndef LEAFD_RELOAD_RELOAD_SOCKET_H
#define LEAFD_RELOAD_RELOAD_SOCKET_H

#include "base/worker.h"

#include <stdint.h>

struct socket_order {
    const char *socket;  /* absolute path */
    uid_t user;          /* who may listen there beside root and our own user; else geteuid() */
    const char *line;    /* what to say, without a line break */
    const char *payload; /* path of the file to send along; NULL: none */
    uint64_t limit_s;    /* time limit, at least 1 */
};

/*
 * reload_socket_start - says the line
 *
 * A worker walks to the socket, connects and reads the file: each may be on a mount that hangs.
 * Borrows `order` and its texts until it has ended. Failures are class consumer, or local where
 * somebody else may listen or memory ran out. Dropping the slot closes the connection. NULL with
 * *err filled if memory or threads ran out (class local).
 */
struct slot *reload_socket_start(sd_event *loop, struct workers *workers,
                                 const struct socket_order *order, slot_done *on_done, void *arg,
                                 struct err *err);

#endif
