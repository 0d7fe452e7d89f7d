/*
 * mutual - does a consumer demand a certificate of its clients, and nothing but TLS?
 *
 * Three peers come one after the other: one without a certificate, one that speaks in the clear,
 * and one that shows the set's own certificate. The first two must be refused, the third must not.
 * A refusal of the first needs that the server asked for a certificate. It looks like this: an
 * alert, in the handshake (TLS 1.2) or right behind it (TLS 1.3, RFC 8446 section 4.4.2.4); the
 * HTTP status 400 that speaks of the certificate, 495 or 496 (nginx); PostgreSQL's error 28000 that
 * does. Another HTTP status of 400 to 499 or error 28000, and that the connection is closed, count
 * only if the peer with a certificate fares better. A peer that stands connected and is not refused
 * was taken.
 */
#ifndef LEAFD_PROVE_MUTUAL_H
#define LEAFD_PROVE_MUTUAL_H

#include "pki/served.h"
#include "prove/prove.h"

/*
 * mutual_start - sends the three peers
 *
 * Takes *identity, which is {0} afterwards, also when it fails; without a key in it the third peer
 * does not come. It is freed when all have been there. Borrows `cert`, whose prove.method is
 * PROVE_TLS, until it has ended, and `tools` during the call; takes a reference of `config`. Sets
 * *ret_finding to PROVE_NOT_MUTUAL if a peer was not treated as it should be, and leaves it alone
 * otherwise: a question that could not be put shows nothing. Failures are class consumer; class
 * local if memory ran out or the set's own certificate cannot be shown. NULL with *err filled if it
 * could not start.
 */
struct slot *mutual_start(const struct prove_tools *tools, struct config *config,
                          const struct cert_config *cert, struct identity *identity,
                          enum prove_finding *ret_finding, slot_done *on_done, void *arg,
                          struct err *err);

/* What became of a peer, by what it heard. */
enum peer_fate {
    PEER_TAKEN,
    PEER_REFUSED,     /* for want of a certificate, if it was asked for one */
    PEER_TURNED_AWAY, /* its request failed, maybe for another reason */
    PEER_CLOSED       /* after its request, without a word */
};

/* peer_fate - of a peer that spoke TLS. Pure */
enum peer_fate peer_fate(const struct tls_talk *talk, enum starttls starttls);

/* peer_in_the_clear_is_refused - the same for one that did not. Pure */
bool peer_in_the_clear_is_refused(const struct tls_talk *talk);

#endif
