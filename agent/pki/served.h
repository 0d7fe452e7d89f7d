/*
 * served - verifies the chain that a consumer serves, as its peers would
 *
 * A handshake shows that the consumer has the leaf and its key. Peers also need every certificate
 * between the leaf and a certificate that they trust. A server that sends only the leaf works with
 * peers that know the intermediate already, and fails with all others.
 */
#ifndef LEAFD_PKI_SERVED_H
#define LEAFD_PKI_SERVED_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

#include <stdint.h>

enum { SERVED_MOST_BYTES = 64 * 1024 }; /* the longest chain that leafd accepts from a consumer */

/*
 * Limits on the computation that a hostile server can cause on the event loop. The key exchange
 * uses elliptic curves only (a Diffie-Hellman group of 10,000 bits takes a second), and signatures
 * of RSA keys beyond these sizes are not verified.
 */
enum { SERVED_MOST_RSA_BITS = 8192, SERVED_MOST_EXPONENT_BITS = 64 };

/* served_key_is_cheap - whether the leaf's key is within these limits */
bool served_key_is_cheap(const X509 *leaf);

/* Borrowed. */
struct served_order {
    STACK_OF(X509) * sent;           /* from the handshake: the leaf, then the rest */
    const struct text_list *trusted; /* PEM: certificates at which a path may end */
    const struct text_list
        *chain; /* PEM: the published chain, to name a certificate that is missing */
    uint64_t now_s;
};

/*
 * served_verify - verifies a path from the sent leaf over the sent chain to one of `trusted`
 *
 * Checks signatures, and dates at `now_s`. Blocks: run it on a worker. Fails with class untrusted
 * and names the intermediate that was not sent, or the reason; with class local if memory ran out.
 */
bool served_verify(const struct served_order *order, struct err *err);

/* -- the client's certificate ---------------------------------------------------------------------
 *
 * With `mutual`, a proof shows this certificate to the consumer.
 */

/* Initialise with {0}, end with identity_free. */
struct identity {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key; /* NULL: not read, or the leaf does not permit clientAuth */
};

/*
 * identity_read - parses leaf and chain from PEM; the caller sets the key
 *
 * *ret_is_client: whether the leaf permits clientAuth. Fails with class untrusted if a text is no
 * certificate, with class local if memory ran out. The caller ends *ret_identity with identity_free
 * in any case.
 */
bool identity_read(const char *leaf_pem, const struct text_list *chain_pem,
                   struct identity *ret_identity, bool *ret_is_client, struct err *err);

/* identity_free - frees the contents, wipes the key, and leaves {0} */
void identity_free(struct identity *identity);

#endif
