/*
 * handshake - TLS as a client that trusts nobody, and notes what it is shown
 *
 * What counts is whether the leaf is the one that was published. The server proves that it has the
 * leaf's key, by the handshake itself. A server that demands a client certificate gets none and may
 * hang up: it has shown its own by then. No session is resumed, so that each handshake shows a
 * certificate; each ends with close_notify, so that the server has no error to log.
 *
 * An SSL_CTX takes as long to make as a handshake takes, so that all of them share one, as long as
 * any proof is under way.
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

/* What all proofs share; initialise with {0}. Outlives every proof. */
struct handshakes {
    SSL_CTX *context;
    unsigned users;
    struct semaphore permits; /* one for each connection */
};

/* handshakes_hold - one more proof is under way; fails with class local */
bool handshakes_hold(struct handshakes *handshakes, struct err *err);

/* handshakes_release - a proof has ended; with the last one the context goes */
void handshakes_release(struct handshakes *handshakes);

struct served_leaf {
    bool seen;
    bool answered; /* an address took the connection, whatever came of it */
    char serial[SERIAL_TEXT_BYTES];
    char fingerprint[DIGEST_HEX_BYTES]; /* SHA-256, as certificate_facts has it */
    uint64_t not_after_s;
};

struct handshake_order {
    const char *server_name;    /* SNI; NULL: none */
    const char *signatures;     /* the only algorithms we offer, for servers with several leaves; or
                                   NULL: the usual */
    STACK_OF(X509) * *ret_sent; /* gives what was sent, the leaf first; free it; NULL: no request */
    const struct identity *identity; /* what we show when asked for a certificate; or NULL */
};

/* One connection; initialise with {0}, end with handshake_end. */
struct handshake {
    SSL *ssl; /* NULL: not begun */
    struct served_leaf leaf;
    STACK_OF(X509) * *ret_sent;
    bool asked;    /* the server asked for a certificate of the client's */
    bool too_long; /* the key of the leaf */
};

/*
 * handshake_begin - makes a connected socket ready for TLS
 *
 * Borrows the socket, and all that `order` points to, until the end. Fails with class local.
 */
bool handshake_begin(struct handshake *handshake, const struct handshakes *handshakes,
                     const struct handshake_order *order, int fd, struct err *err);

enum handshake_step {
    HANDSHAKE_READS, /* goes on when there is something to read */
    HANDSHAKE_WRITES,
    HANDSHAKE_DONE,    /* the leaf is noted */
    HANDSHAKE_REFUSED, /* so it is, and the server has given up on us */
    HANDSHAKE_FAILED
};

/*
 * handshake_go_on - shakes on, as far as it comes
 *
 * *ret_alert is OpenSSL's code of the server's alert when it refused us; 0: it hung up. FAILED
 * fills *err, class consumer.
 */
enum handshake_step handshake_go_on(struct handshake *handshake, unsigned long *ret_alert,
                                    struct err *err);

/* handshake_read - one more part of what the server says: its bytes; 0: nothing now; -1: the end,
 * and *ret_alert as above */
ssize_t handshake_read(struct handshake *handshake, char *to, size_t room,
                       unsigned long *ret_alert);

/* handshake_write - says something; what became of it is to be heard */
void handshake_write(struct handshake *handshake, const void *bytes, size_t length);

/* handshake_part - says good-bye */
void handshake_part(struct handshake *handshake);

/* handshake_end - frees the connection, not the socket; what was noted stays; {0} is fine */
void handshake_end(struct handshake *handshake);

#endif
