#include "pki/crypto.h"

#include <openssl/err.h>

/* Empties libcrypto's error queue; true if it reported a lack of memory. */
static bool lacked_memory(void)
{
    unsigned long code;
    bool lacked = false;

    while ((code = ERR_get_error()) != 0)
        lacked = lacked || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    /* ERR_get_error leaves the texts of removed entries in the queue of the thread. */
    ERR_clear_error();
    return lacked;
}

bool crypto_failed(struct err *err, enum err_kind kind, const char *what)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    if (lacked_memory())
        return err_memory(err);
    return err_set(err, kind, "cannot %s: %s", what, reason == NULL ? "no reason given" : reason);
}

int crypto_no_password(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}
