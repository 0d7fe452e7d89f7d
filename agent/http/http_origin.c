#include "http/http_origin.h"

#include "base/cleanup.h"
#include "base/hide.h"
#include "base/text.h"

#include <curl/curl.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(cleanup_url, CURLU *, curl_url_cleanup)
DEFINE_CLEANUP(cleanup_curl_text, char *, curl_free)

/* Normalises names that DNS and TLS take as equal. */
static bool take_host(const char *host, struct http_origin *origin)
{
    size_t length = strlen(host);

    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    if (length > 1 && host[length - 1] == '.')
        length--;
    if (length == 0 || length >= sizeof origin->host)
        return false;
    for (size_t i = 0; i < length; i++)
        origin->host[i] = (char)tolower((unsigned char)host[i]);
    origin->host[length] = '\0';
    return true;
}

static bool has_part(CURLU *parts, CURLUPart part)
{
    CLEANUP(cleanup_curl_text) char *text = NULL;

    return curl_url_get(parts, part, &text, 0) == CURLUE_OK;
}

bool http_origin_of(const char *url, struct http_origin *ret_origin)
{
    CLEANUP(cleanup_url) CURLU *parts = curl_url();
    CLEANUP(cleanup_curl_text) char *scheme = NULL;
    CLEANUP(cleanup_curl_text) char *host = NULL;
    CLEANUP(cleanup_curl_text) char *port = NULL;
    uint64_t number;

    *ret_origin = (struct http_origin){0};
    if (parts == NULL || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        !text_number(port, UINT16_MAX, &number) || !take_host(host, ret_origin))
        return false;
    ret_origin->port = (uint16_t)number;
    ret_origin->tls = strcmp(scheme, "https") == 0;
    ret_origin->user = has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD);
    return true;
}

bool http_origin_is_at(const struct http_origin *origin, const char *host)
{
    struct http_origin other = {0};
    struct in6_addr ours, theirs;

    if (!take_host(host, &other))
        return false;
    if (inet_pton(AF_INET6, origin->host, &ours) == 1 &&
        inet_pton(AF_INET6, other.host, &theirs) == 1)
        return memcmp(&ours, &theirs, sizeof ours) == 0;
    return strcmp(origin->host, other.host) == 0;
}

void http_origin_text(const struct http_origin *origin, char to[static HTTP_ORIGIN_BYTES])
{
    bool v6 = strchr(origin->host, ':') != NULL;
    char raw[HTTP_ORIGIN_BYTES];

    snprintf(raw, sizeof raw, "%s%s%s:%u", v6 ? "[" : "", origin->host, v6 ? "]" : "",
             (unsigned)origin->port);
    hide_foreign(to, HTTP_ORIGIN_BYTES, raw);
}
