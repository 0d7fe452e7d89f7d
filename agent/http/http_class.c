#include "http/http_class.h"

#include <ctype.h>

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

uint32_t http_retry_after_s(const char *value, uint64_t now_s)
{
    uint64_t seconds = 0;
    time_t date;

    if (isdigit((unsigned char)*value)) {
        /* Digits first: curl_getdate takes eight of them for a day. */
        for (; isdigit((unsigned char)*value) && seconds <= UINT32_MAX; value++)
            seconds = seconds * 10 + (uint64_t)(*value - '0');
        if (seconds <= UINT32_MAX && *value != '\0')
            return 0;
    } else if (isalpha((unsigned char)*value)) {
        date = curl_getdate(value, NULL);
        seconds = date > 0 && (uint64_t)date > now_s ? (uint64_t)date - now_s : 0;
    }
    return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}
