#include "pki/served.h"

#include "base/hide.h"
#include "pki/chain.h"
#include "pki/crypto.h"
#include "pki/key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { NAME_BYTES = 128 };

bool served_key_is_cheap(const X509 *leaf)
{
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    BIGNUM *exponent = NULL;
    bool cheap;

    if (key == NULL || !EVP_PKEY_is_a(key, "RSA"))
        return true;
    cheap = EVP_PKEY_get_bits(key) <= SERVED_MOST_RSA_BITS &&
            EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
            BN_num_bits(exponent) <= SERVED_MOST_EXPONENT_BITS;
    BN_free(exponent);
    return cheap;
}

/* The subject's common name, else its whole distinguished name; made printable. */
static void write_name(X509 *certificate, char to[static NAME_BYTES])
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_mem());
    char raw[NAME_BYTES];
    int length = 0;

    if (bio != NULL && X509_NAME_print_ex(bio, subject, 0, XN_FLAG_RFC2253) >= 0)
        length = BIO_read(bio, raw, sizeof raw - 1);
    raw[length > 0 ? length : 0] = '\0';
    hide_foreign(to, NAME_BYTES, raw);
}

/*
 * The certificate that peers lack: it is on the path from the leaf over the published chain, but
 * was not sent and is not trusted. NULL if that path is not valid either.
 */
static X509 *find_missing(const struct served_order *order, STACK_OF(X509) * trusted,
                          STACK_OF(X509) * chain, STACK_OF(X509) * path)
{
    X509 *leaf = sk_X509_value(order->sent, 0);
    struct err unused;

    if (!chain_verify(NULL, leaf, chain, trusted, order->now_s, path, &unused))
        return NULL;
    for (int i = 1; i < sk_X509_num(path); i++) {
        X509 *certificate = sk_X509_value(path, i);

        if (!chain_has(order->sent, certificate) && !chain_has(trusted, certificate))
            return certificate;
    }
    return NULL;
}

/*
 * A peer that trusts a root builds the path up to a root. If the published chain reaches none of
 * the roots, such as after a change of CA, the path can end only at the other trusted certificates.
 */
static bool drop_unreached_roots(const struct served_order *order, STACK_OF(X509) * trusted,
                                 STACK_OF(X509) * chain, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *roots = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *path = sk_X509_new_null();
    struct err unreached;

    if (roots == NULL || path == NULL)
        return err_memory(err);
    for (int i = 0; i < sk_X509_num(trusted); i++)
        if (X509_self_signed(sk_X509_value(trusted, i), 0) == 1 &&
            !chain_share(roots, sk_X509_value(trusted, i), X509_ADD_FLAG_DEFAULT))
            return err_memory(err);
    if (sk_X509_num(roots) == 0 || sk_X509_num(roots) == sk_X509_num(trusted) ||
        chain_verify(NULL, sk_X509_value(order->sent, 0), chain, roots, order->now_s, path,
                     &unreached))
        return true;
    for (int i = sk_X509_num(trusted); i-- > 0;)
        if (chain_has(roots, sk_X509_value(trusted, i)))
            X509_free(sk_X509_delete(trusted, i));
    return true;
}

static bool verify(const struct served_order *order, STACK_OF(X509) * trusted,
                   STACK_OF(X509) * chain, STACK_OF(X509) * path, struct err *err)
{
    X509 *missing;
    char name[NAME_BYTES];

    if (!chain_parse_all(order->trusted, trusted, err) ||
        !chain_parse_all(order->chain, chain, err)) {
        err->kind = ERR_LOCAL; /* they were valid when they were written */
        return err_wrap(err, "the published set");
    }
    if (!drop_unreached_roots(order, trusted, chain, err))
        return false;
    if (chain_verify(NULL, sk_X509_value(order->sent, 0), order->sent, trusted, order->now_s, path,
                     err))
        return true;
    if (err->kind == ERR_LOCAL)
        return false;
    missing = find_missing(order, trusted, chain, path);
    if (missing == NULL)
        return err_wrap(err, "the new certificate is served with a chain that its peers refuse");
    write_name(missing, name);
    return err_set(err, ERR_UNTRUSTED,
                   "serves the new certificate without its intermediate %s, so that a peer that "
                   "trusts the set's ca cannot verify it; let the consumer load a file with the "
                   "content fullchain, or chain beside certificate",
                   name);
}

bool served_verify(const struct served_order *order, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *trusted = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *chain = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *path = sk_X509_new_null();
    bool verified;

    if (trusted == NULL || chain == NULL || path == NULL)
        return err_memory(err);
    shortage_forget();
    verified = verify(order, trusted, chain, path, err);
    ERR_clear_error();
    /* If memory ran out, libcrypto reports a failed verification. */
    return !err_shortage(err) && verified;
}

/* -- what a client shows --------------------------------------------------------------------------
 */

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
