/*
 * reload_socket - tells a consumer a line at its Unix socket, and hears whether it did it
 *
 * One connection a line, as the runtime API of HAProxy wants it. The answer ends with an empty line
 * or the end of the connection. Where a transaction of HAProxy's failed,
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

#include "base/arena.h"
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

/*
 * What follows is pure. Of HAProxy's runtime API the lines set, commit and abort ssl {cert,
 * ca-file, crl-file} NAME are known, and must be answered with the words of success (management
 * guide, 9.3). HAProxy has one transaction for all certificates: 2.6 to 3.2 put what is set for B
 * into one that is open for A, and say so only by the name in the answer. Of any other line it is
 * only known how failures begin.
 */

/*
 * reload_answer_problem - NULL if the line was carried out, else what to tell about it
 *
 * `line` is what was sent, `answer` all that came back.
 */
const char *reload_answer_problem(const char *line, const char *answer);

/* reload_answer_subject - the words of the line that may be told to people: no value of it */
const char *reload_answer_subject(const char *line);

/*
 * reload_answer_undo - the line that takes back a failed one, in the arena; NULL if there is none
 *
 * abort ssl ... for the transaction that the line was about, or for the one that the answer names.
 * NULL as well if memory ran out: the next try begins with a set, which replaces what is left.
 */
const char *reload_answer_undo(struct arena *arena, const char *line, const char *answer);

#endif
