/*
 * reload_socket - sends a consumer a line over its Unix socket and checks the answer
 *
 * Each line has a connection of its own, as HAProxy's runtime API requires. The answer ends with an
 * empty line or the end of the connection. A failed transaction of HAProxy is aborted on another
 * connection, so that the next try and other certificates find none open.
 *
 * The listener is checked before anything is sent: only root and the user may write the socket's
 * directory and every directory on the way to it, so that no other socket can take its place, and
 * root, the user or our own user called listen(2) (base/trust).
 *
 * A payload is sent as HAProxy expects it: " <<" after the line, then the file without its empty
 * lines, then an empty line. It may be a private key: it stays in a struct secret, and no part of
 * it that the consumer echoes gets into a text.
 */
#ifndef LEAFD_RELOAD_RELOAD_SOCKET_H
#define LEAFD_RELOAD_RELOAD_SOCKET_H

#include "base/arena.h"
#include "base/worker.h"

#include <stdint.h>

struct socket_order {
    const char *socket;  /* absolute path */
    uid_t user;          /* who may listen beside root and our own user; else geteuid() */
    const char *line;    /* the line to send, without a line break */
    const char *payload; /* path of the file to send along; NULL: none */
    uint64_t limit_s;    /* time limit, at least 1 */
};

/*
 * reload_socket_start - sends the line
 *
 * A worker opens the path, connects and reads the file, since each may be on a mount that hangs.
 * Borrows `order` and its texts until it has ended. Fails with class consumer, or with class local
 * if another user may listen or memory ran out. Dropping the slot closes the connection. NULL with
 * *err filled if memory or threads ran out (class local).
 */
struct slot *reload_socket_start(sd_event *loop, struct workers *workers,
                                 const struct socket_order *order, slot_done *on_done, void *arg,
                                 struct err *err);

/*
 * The functions below are pure. They know the lines set, commit and abort ssl {cert, ca-file,
 * crl-file} NAME of HAProxy's runtime API, whose answers must report success (management guide,
 * 9.3). HAProxy has one transaction for all certificates: 2.6 to 3.2 put a file that is set for B
 * into the open transaction of A, and only the name in the answer shows it. For any other line only
 * the beginnings of failure texts are known.
 */

/*
 * reload_answer_problem - NULL if the line succeeded, else the problem as a text
 *
 * `line` is the line that was sent, `answer` the whole answer.
 */
const char *reload_answer_problem(const char *line, const char *answer);

/* reload_answer_subject - the words of the line that may appear in texts, without its values */
const char *reload_answer_subject(const char *line);

/*
 * reload_answer_undo - the line that undoes a failed one, in the arena; NULL if there is none
 *
 * It is abort ssl ... for the transaction of the line, or for the one that the answer names. NULL
 * as well if memory ran out: the next try begins with a set, which replaces the open one.
 */
const char *reload_answer_undo(struct arena *arena, const char *line, const char *answer);

#endif
