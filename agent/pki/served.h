/*
 * served - does the chain that a consumer serves lead to what its peers trust?
 *
 * A handshake shows that the consumer has the leaf and its key. Peers need more: every certificate
 * between the leaf and what they trust. A server that was given the file with the leaf alone works
 * for whoever has seen the intermediate elsewhere, and for nobody else.
 */
#ifndef LEAFD_PKI_SERVED_H
#define LEAFD_PKI_SERVED_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

#include <stdint.h>

enum { SERVED_MOST_BYTES = 64 * 1024 }; /* the longest chain that is accepted from a consumer */

/*
 * What a hostile server may make the loop compute is bounded: the key exchange is by elliptic
 * curves alone (a Diffie-Hellman group of 10,000 bits takes a second), and a longer RSA key, or one
 * whose exponent is longer, is not asked for a signature.
 */
enum { SERVED_MOST_RSA_BITS = 8192, SERVED_MOST_EXPONENT_BITS = 64 };

/* served_key_is_cheap - whether a signature of that leaf's key may be verified on the loop */
bool served_key_is_cheap(const X509 *leaf);

/* All borrowed. */
struct served_order {
    STACK_OF(X509) * sent;           /* by the consumer: the leaf, then what came with it */
    const struct text_list *trusted; /* PEM: where a path may end */
    const struct text_list *chain;   /* PEM: what should have been sent, to name what is missing */
    uint64_t now_s;
};

/*
 * served_verify - builds a path from the leaf over what was sent to one of `trusted`
 *
 * Checks signatures, and dates at `now_s`. Blocks: to be run by a worker. Fails with class
 * untrusted and names the intermediate that was not sent, or what else is wrong; with class local
 * if memory ran out.
 */
bool served_verify(const struct served_order *order, struct err *err);

/* -- what a client shows --------------------------------------------------------------------------
 *
 * A certificate, its chain and its key, to show to a peer
 */

/* Initialise with {0}, end with identity_free. */
struct identity {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key; /* NULL: the leaf's usage does not permit clientAuth, or it was not read */
};

/*
 * identity_read - reads leaf and chain; the key is the caller's to fill in
 *
 * *ret_is_client tells whether the leaf's usage permits clientAuth. Fails with class untrusted if a
 * text is no certificate, class local without memory; *ret_identity is to be freed in any case.
 */
bool identity_read(const char *leaf_pem, const struct text_list *chain_pem,
                   struct identity *ret_identity, bool *ret_is_client, struct err *err);

/* identity_free - frees all of it, wiping the key, and leaves {0} */
void identity_free(struct identity *identity);

#endif
