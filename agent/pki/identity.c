#include "pki/identity.h"

#include "pki/chain.h"
#include "pki/crypto.h"
#include "pki/key.h"

#include <openssl/x509v3.h>

bool identity_read(const char *leaf_pem, const struct text_list *chain_pem,
                   struct identity *ret_identity, bool *ret_is_client, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *leaves = sk_X509_new_null();

    ret_identity->chain = sk_X509_new_null();
    if (leaves == NULL || ret_identity->chain == NULL)
        return err_memory(err);
    if (!chain_parse(leaf_pem, leaves, err))
        return false;
    ret_identity->leaf = sk_X509_shift(leaves);
    for (size_t i = 0; i < chain_pem->count; i++)
        if (!chain_parse(chain_pem->items[i], ret_identity->chain, err))
            return false;
    *ret_is_client = X509_check_purpose(ret_identity->leaf, X509_PURPOSE_SSL_CLIENT, 0) == 1;
    return true;
}

void identity_free(struct identity *identity)
{
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->chain, X509_free);
    key_free(identity->key);
    *identity = (struct identity){0};
}
