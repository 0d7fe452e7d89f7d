/*
 * mutual - verifies that a consumer demands client certificates and accepts TLS only
 *
 * Makes three connections one after the other: one without a certificate, one in plaintext, and one
 * with the set's own certificate. The consumer must refuse the first two and accept the third. The
 * first counts as refused only if the server asked for a certificate. These are refusals: an alert,
 * in the handshake (TLS 1.2) or right after it (TLS 1.3, RFC 8446 section 4.4.2.4); HTTP status 400
 * with a text that mentions the certificate, 495 or 496 (nginx); PostgreSQL's error 28000 that
 * mentions it. Another HTTP status of 400 to 499, another error 28000, and a closed connection
 * count only if the request with a certificate succeeds. A connection that stays open was accepted.
 */
#ifndef LEAFD_PROVE_MUTUAL_H
#define LEAFD_PROVE_MUTUAL_H

#include "pki/served.h"
#include "prove/prove.h"

/*
 * mutual_start - makes the three connections
 *
 * Takes *identity, which is {0} afterwards, also when it fails; without a key in it there is no
 * third connection. Borrows `cert`, whose prove.method is PROVE_TLS, until it has ended, and
 * `tools` during the call; takes a reference of `config`. Sets *ret_finding to PROVE_NOT_MUTUAL if
 * the consumer treated a peer wrongly, and does not change it otherwise: a connection that failed
 * shows nothing. Fails with class consumer, or with class local if memory ran out or the set's own
 * certificate cannot be used. NULL with *err filled if it could not start.
 */
struct slot *mutual_start(const struct prove_tools *tools, struct config *config,
                          const struct cert_config *cert, struct identity *identity,
                          enum prove_finding *ret_finding, slot_done *on_done, void *arg,
                          struct err *err);

/* The outcome of a connection, by the server's answer. */
enum peer_fate {
    PEER_TAKEN,
    PEER_REFUSED,     /* because of the missing certificate, if the server asked for one */
    PEER_TURNED_AWAY, /* its request failed, perhaps for another reason */
    PEER_CLOSED       /* closed after its request, without an answer */
};

/* peer_fate - the outcome of a TLS connection. Pure */
enum peer_fate peer_fate(const struct tls_talk *talk, enum starttls starttls);

/* peer_in_the_clear_is_refused - whether the server refused the plaintext request. Pure */
bool peer_in_the_clear_is_refused(const struct tls_talk *talk);

#endif
