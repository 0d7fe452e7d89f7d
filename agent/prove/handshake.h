/*
 * handshake - a TLS client that verifies no chain, and keeps the certificates that it receives
 *
 * The proof only needs to know whether the leaf is the published one. The handshake itself proves
 * that the server has the leaf's key. A server that demands a client certificate gets none and may
 * close the connection: it has sent its own by then. No session is resumed, so that each handshake
 * shows a certificate; each ends with close_notify, so that the server logs no error.
 *
 * Making an SSL_CTX takes as long as a handshake, so all proofs share one while any proof is under
 * way.
 */
#ifndef LEAFD_PROVE_HANDSHAKE_H
#define LEAFD_PROVE_HANDSHAKE_H

#include "base/digest.h"
#include "base/semaphore.h"
#include "pki/certificate.h"
#include "pki/served.h"

#include <openssl/ssl.h>

#include <sys/types.h>

enum { HANDSHAKES_AT_ONCE = 32 };

/* Shared by all proofs; initialise with {0}. Outlives every proof. */
struct handshakes {
    SSL_CTX *context;
    unsigned users;
    struct semaphore permits; /* one for each connection */
};

/* handshakes_hold - takes a share for a proof; fails with class local */
bool handshakes_hold(struct handshakes *handshakes, struct err *err);

/* handshakes_release - gives the share back; the last one frees the context */
void handshakes_release(struct handshakes *handshakes);

struct served_leaf {
    bool seen;
    bool answered; /* an address accepted the connection, whatever followed */
    char serial[SERIAL_TEXT_BYTES];
    char fingerprint[DIGEST_HEX_BYTES]; /* SHA-256, as certificate_facts has it */
    uint64_t not_after_s;
};

struct handshake_order {
    const char *server_name; /* SNI; NULL: none */
    const char *signatures;  /* the only algorithms to offer, for servers with several leaves; NULL:
                                the usual ones */
    STACK_OF(X509) *
        *ret_sent; /* receives the served chain, the leaf first; free it; NULL: not wanted */
    const struct identity *identity; /* our certificate if the server asks for one; or NULL */
};

/* One connection; initialise with {0}, end with handshake_end. */
struct handshake {
    SSL *ssl; /* NULL: before handshake_begin */
    struct served_leaf leaf;
    STACK_OF(X509) * *ret_sent;
    bool asked;    /* the server asked for a client certificate */
    bool too_long; /* the leaf's key is too long */
};

/*
 * handshake_begin - prepares TLS on a connected socket
 *
 * Borrows the socket, and all that `order` points to, until handshake_end. Fails with class local.
 */
bool handshake_begin(struct handshake *handshake, const struct handshakes *handshakes,
                     const struct handshake_order *order, int fd, struct err *err);

enum handshake_step {
    HANDSHAKE_READS, /* call again when the socket is readable */
    HANDSHAKE_WRITES,
    HANDSHAKE_DONE,    /* the leaf is known */
    HANDSHAKE_REFUSED, /* the leaf is known, and the server has refused us */
    HANDSHAKE_FAILED
};

/*
 * handshake_go_on - continues the handshake as far as possible
 *
 * *ret_alert is OpenSSL's code of the server's alert when it refused us; 0: it hung up. FAILED
 * fills *err, class consumer.
 */
enum handshake_step handshake_go_on(struct handshake *handshake, unsigned long *ret_alert,
                                    struct err *err);

/* handshake_read - reads a part of the server's data: the number of bytes; 0: none now; -1: the
 * end, and *ret_alert as above */
ssize_t handshake_read(struct handshake *handshake, char *to, size_t room,
                       unsigned long *ret_alert);

/* handshake_write - sends bytes; a failure shows at the next handshake_read */
void handshake_write(struct handshake *handshake, const void *bytes, size_t length);

/* handshake_part - sends close_notify */
void handshake_part(struct handshake *handshake);

/* handshake_end - frees the TLS connection, not the socket; results stay; {0} is fine */
void handshake_end(struct handshake *handshake);

#endif
