#include "pki/path.h"

#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/crypto.h"

uint64_t path_end_s(STACK_OF(X509) * path)
{
    uint64_t end_s = UINT64_MAX;

    for (int i = 0; i < sk_X509_num(path); i++) {
        struct validity validity;

        if (!certificate_validity(sk_X509_value(path, i), &validity))
            return 0;
        end_s = duration_shorter(end_s, validity.not_after);
    }
    return end_s == UINT64_MAX ? 0 : end_s;
}

static bool parse_all(const struct text_list *list, STACK_OF(X509) * certificates, struct err *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (!chain_parse(list->items[i], certificates, err))
            return false;
    return true;
}

uint64_t path_end_of_texts(const char *leaf_pem, const struct text_list *chain_pem,
                           const struct text_list *ca_pem, uint64_t at_s)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *leaf = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *chain = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *ca = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *path = sk_X509_new_null();
    struct err err;

    if (leaf == NULL || chain == NULL || ca == NULL || path == NULL ||
        !chain_parse(leaf_pem, leaf, &err))
        return 0;
    if (!parse_all(chain_pem, chain, &err) || !parse_all(ca_pem, ca, &err) ||
        !chain_verify(sk_X509_value(leaf, 0), chain, ca, at_s, path, &err))
        return path_end_s(leaf);
    return path_end_s(path);
}
