/*
 * tls_probe - connects to a consumer and gets its certificate and its answer to a request
 *
 * Tries the addresses in turn, carries out the plaintext dialogue of the protocol and the TLS
 * handshake, and reads the server's answer if the order asks for it. The number of open connections
 * is limited.
 */
#ifndef LEAFD_PROVE_TLS_PROBE_H
#define LEAFD_PROVE_TLS_PROBE_H

#include "base/slot.h"
#include "prove/evidence.h"
#include "prove/handshake.h"
#include "prove/resolve.h"

enum tls_answer {
    TLS_ANSWER_NONE,    /* no answer, and the connection is open */
    TLS_ANSWER_REFUSAL, /* an alert, or the end of the connection before our request; `text`
                           describes it */
    TLS_ANSWER_END,     /* the end of the connection after our request, without an answer */
    TLS_ANSWER_DATA     /* `text` is its beginning */
};

enum { TLS_ANSWER_BYTES = 2048 };

/* The answer after the handshake. */
struct tls_talk {
    bool asked; /* the server asked for a client certificate */
    enum tls_answer answer;
    char text[TLS_ANSWER_BYTES + 1];
    size_t length;
};

struct tls_probe_order {
    const struct resolved *addresses; /* at least one; tried in turn, until one shows a leaf */
    struct handshake_order tls;
    enum starttls starttls;
    uint32_t group;      /* the queue to wait in when too many connections are open */
    uint64_t *waited_us; /* the waiting time is added here; or NULL */
    uint64_t limit_us;   /* for all addresses; no address gets less than a second */
    /*
     * With ret_talk the probe reads the server's data after the handshake: for half a second, then
     * for two more after sending `request`, unless that is NULL. A server that closes the
     * connection has refused us then, and the probe ends well.
     */
    struct tls_talk *ret_talk;
    const void *request;
    size_t request_bytes;
    struct evidence *ret_evidence; /* of the address that was tried last; or NULL */
    bool in_the_clear;             /* no TLS: only the request */
};

/*
 * tls_probe_start - connects and makes the handshake
 *
 * Borrows `handshakes`, of which the caller has a share, and all that `order` points to until it
 * has ended. The time limit begins when a permit to connect is granted. Ends well when a leaf was
 * received, which is in *ret_leaf then; fails with class consumer and the failure of the last
 * address if none was, with class local if memory ran out. NULL with *err filled if it could not
 * start.
 */
struct slot *tls_probe_start(sd_event *loop, struct handshakes *handshakes,
                             const struct tls_probe_order *order, struct served_leaf *ret_leaf,
                             slot_done *on_done, void *arg, struct err *err);

#endif
