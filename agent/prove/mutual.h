/*
 * mutual - does a consumer demand a certificate of its clients, and nothing but TLS?
 *
 * Three peers come one after the other: one without a certificate, one that speaks in the clear,
 * and one that shows the set's own certificate. The first two must be refused, the third must not.
 * What a refusal looks like: an alert, in the handshake (TLS 1.2) or right behind it (TLS 1.3, RFC
 * 8446 section 4.4.2.4); an HTTP status of 400 and up that speaks of the certificate (nginx,
 * Apache); or that the connection is closed while a peer with a certificate is served. A peer that
 * stands connected and is not refused was taken.
 */
#ifndef LEAFD_PROVE_MUTUAL_H
#define LEAFD_PROVE_MUTUAL_H

#include "pki/identity.h"
#include "prove/prove.h"

/*
 * mutual_start - sends the three peers
 *
 * Takes *identity, which is {0} afterwards, also when it fails; without a key in it the third peer
 * does not come. It is freed when all have been there. Borrows `cert`, whose prove.method is
 * PROVE_TLS, until it has ended, and `tools` during the call; takes a reference of `config`. Sets
 * *ret_finding to PROVE_NOT_MUTUAL or PROVE_UNREACHABLE before it fails with class consumer; class
 * local if memory ran out. NULL with *err filled if it could not start.
 */
struct slot *mutual_start(const struct prove_tools *tools, struct config *config,
                          const struct cert_config *cert, struct identity *identity,
                          enum prove_finding *ret_finding, slot_done *on_done, void *arg,
                          struct err *err);

/* What became of a peer, by what it heard. */
enum peer_fate { PEER_TAKEN, PEER_REFUSED, PEER_CLOSED };

/* peer_fate - of a peer that spoke TLS; CLOSED: after its request, without a word. Pure */
enum peer_fate peer_fate(const struct tls_talk *talk);

/* peer_in_the_clear_is_refused - the same for one that did not. Pure */
bool peer_in_the_clear_is_refused(const struct tls_talk *talk);

#endif
