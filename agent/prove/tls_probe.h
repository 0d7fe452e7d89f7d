/*
 * tls_probe - a connection to a consumer, to see which certificate is shown, and what is said
 * behind
 *
 * The addresses are tried in turn, what the protocol wants in the clear is said, hands are shaken,
 * and the server is heard, if that is wanted. A limited number of connections is open at a time.
 */
#ifndef LEAFD_PROVE_TLS_PROBE_H
#define LEAFD_PROVE_TLS_PROBE_H

#include "base/slot.h"
#include "prove/handshake.h"
#include "prove/resolve.h"

enum tls_answer {
    TLS_ANSWER_NONE,    /* nothing, and the connection stands */
    TLS_ANSWER_REFUSAL, /* an alert, or the end of the connection before we spoke: `text` tells */
    TLS_ANSWER_END,     /* the end of the connection after our request, without a word */
    TLS_ANSWER_DATA     /* `text` is how it begins */
};

enum { TLS_ANSWER_BYTES = 2048 };

/* What came after the handshake. */
struct tls_talk {
    bool asked; /* the server asked for a certificate of the client's */
    enum tls_answer answer;
    char text[TLS_ANSWER_BYTES + 1];
    size_t length;
};

struct tls_probe_order {
    const struct resolved *addresses; /* at least one; tried in turn, until one shows a leaf */
    struct handshake_order tls;
    enum starttls starttls;
    uint32_t group;      /* who has turns of its own, where more want to connect than may */
    uint64_t *waited_us; /* what it waited for that is added; or NULL */
    uint64_t limit_us;   /* for all addresses; no address gets less than a second */
    /*
     * With ret_talk the server is heard after the handshake: for half a second, then for two more
     * to `request`, unless that is NULL. A server that gives up on us has refused us then, and the
     * probe ends well.
     */
    struct tls_talk *ret_talk;
    const void *request;
    size_t request_bytes;
    bool in_the_clear; /* no TLS at all: the request alone */
};

/*
 * tls_probe_start - shakes hands
 *
 * Borrows `handshakes`, which the caller holds, and all that `order` points to until it has ended.
 * The time limit begins when it is its turn to connect. Ends well when a leaf was seen, which is in
 * *ret_leaf then; class consumer if none was, with what the last address said; class local if
 * memory ran out. NULL with *err filled if it could not start.
 */
struct slot *tls_probe_start(sd_event *loop, struct handshakes *handshakes,
                             const struct tls_probe_order *order, struct served_leaf *ret_leaf,
                             slot_done *on_done, void *arg, struct err *err);

#endif
