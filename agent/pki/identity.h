/*
 * identity - a certificate, its chain and its key, to show to a peer
 */
#ifndef LEAFD_PKI_IDENTITY_H
#define LEAFD_PKI_IDENTITY_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

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
