#include "pki/crypto.h"

#include <openssl/err.h>

bool crypto_failed(struct err *err, enum err_kind kind, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    if (code != 0 && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return err_memory(err);
    return err_set(err, kind, "cannot %s: %s", what, reason == NULL ? "no reason given" : reason);
}
