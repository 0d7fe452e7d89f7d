#include "http/http_class.h"

/* Codes that libcurl has no more, or gives for other protocols only, are left to the default. */
static const struct meaning {
    CURLcode code;
    enum err_kind kind;
} meanings[] = {
    {CURLE_OK, ERR_NONE},
    /* The server is not the one that we trust, or sends what we do not take. */
    {CURLE_PEER_FAILED_VERIFICATION, ERR_UNTRUSTED},
    {CURLE_SSL_ISSUER_ERROR, ERR_UNTRUSTED},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, ERR_UNTRUSTED},
    {CURLE_SSL_INVALIDCERTSTATUS, ERR_UNTRUSTED},
    {CURLE_WRITE_ERROR, ERR_UNTRUSTED}, /* our own: the reply is over its ceiling */
    {CURLE_FILESIZE_EXCEEDED, ERR_UNTRUSTED},
    /* Our own files, memory and libraries. */
    {CURLE_OUT_OF_MEMORY, ERR_LOCAL},
    {CURLE_FAILED_INIT, ERR_LOCAL},
    {CURLE_NOT_BUILT_IN, ERR_LOCAL},
    {CURLE_BAD_FUNCTION_ARGUMENT, ERR_LOCAL},
    {CURLE_UNKNOWN_OPTION, ERR_LOCAL},
    {CURLE_READ_ERROR, ERR_LOCAL},
    {CURLE_ABORTED_BY_CALLBACK, ERR_LOCAL},
    {CURLE_SSL_CERTPROBLEM, ERR_LOCAL},
    {CURLE_SSL_CACERT_BADFILE, ERR_LOCAL},
    {CURLE_SSL_CRL_BADFILE, ERR_LOCAL},
    {CURLE_SSL_CIPHER, ERR_LOCAL},
    {CURLE_SSL_ENGINE_NOTFOUND, ERR_LOCAL},
    {CURLE_SSL_ENGINE_SETFAILED, ERR_LOCAL},
    {CURLE_SSL_ENGINE_INITFAILED, ERR_LOCAL},
    /* The address as it is configured. */
    {CURLE_URL_MALFORMAT, ERR_REFUSED},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_REFUSED},
};

enum err_kind http_class_of(CURLcode code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].code == code)
            return meanings[i].kind;
    return ERR_TRANSIENT;
}
