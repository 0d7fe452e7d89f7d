/*
 * tls_probe - one handshake, to see which certificate is shown
 *
 * Nobody's trust is asked for: what counts is whether the leaf is the one that was published. The
 * server proves that it has the leaf's key, by the handshake itself. A server that demands a
 * client certificate gets none and may hang up: it has shown its own by then. No session is
 * resumed, so that each handshake shows a certificate; each ends with close_notify, so that the
 * server has no error to log.
 */
#ifndef LEAFD_PROVE_TLS_PROBE_H
#define LEAFD_PROVE_TLS_PROBE_H

#include "base/slot.h"
#include "pki/certificate.h"
#include "pki/identity.h"
#include "prove/resolve.h"

#include <openssl/x509.h>

struct served_leaf {
    bool seen;
    bool answered; /* an address took the connection, whatever came of it */
    char serial[SERIAL_TEXT_BYTES];
    char fingerprint[DIGEST_HEX_BYTES]; /* SHA-256, as certificate_facts has it */
    uint64_t not_after_s;
};

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
    const char *server_name;          /* SNI; NULL: none */
    const char *signatures; /* the only algorithms we offer, for servers with several leaves; or
                               NULL: the usual */
    enum starttls starttls;
    uint64_t limit_us;          /* for all addresses; no address gets less than a second */
    STACK_OF(X509) * *ret_sent; /* gives what was sent, the leaf first; free it; NULL: no request */
    /*
     * With ret_talk the server is heard after the handshake: for half a second, then for two more
     * to `request`, unless that is NULL. A server that gives up on us has refused us then, and the
     * probe ends well.
     */
    struct tls_talk *ret_talk;
    const void *request;
    size_t request_bytes;
    const struct identity *identity; /* what we show when asked for a certificate; or NULL */
    bool in_the_clear;               /* no TLS at all: the request alone */
};

/*
 * tls_probe_start - shakes hands
 *
 * Borrows `order` during the call, all that it points to until it has ended. Ends well when a
 * leaf was seen, which is in *ret_leaf then; class consumer if none was, with what the last address
 * said; class local if memory ran out. NULL with *err filled if it could not start.
 */
struct slot *tls_probe_start(sd_event *loop, const struct tls_probe_order *order,
                             struct served_leaf *ret_leaf, slot_done *on_done, void *arg,
                             struct err *err);

#endif
