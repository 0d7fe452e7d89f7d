#include "pki/top_certificates.h"

#include "pki/chain.h"
#include "pki/crypto.h"

bool top_certificates(const char *pem, struct arena *arena, struct text_list *tops, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *chain = sk_X509_new_null();

    if (chain == NULL)
        return err_memory(err);
    if (!chain_parse(pem, chain, err))
        return false;
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (chain_is_top(chain, sk_X509_value(chain, i)) &&
            !chain_to_pem(tops, arena, sk_X509_value(chain, i)))
            return err_memory(err);
    return true;
}
