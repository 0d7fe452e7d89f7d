/*
 * http_origin - the server of a URL
 *
 * Parsed by libcurl's own parser, so that the check and the connection agree on the host.
 */
#ifndef LEAFD_HTTP_HTTP_ORIGIN_H
#define LEAFD_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

enum { HTTP_HOST_BYTES = 256, HTTP_ORIGIN_BYTES = HTTP_HOST_BYTES + 32 };

struct http_origin {
    bool tls;                   /* https */
    bool user;                  /* the URL has a user name or a password */
    char host[HTTP_HOST_BYTES]; /* without brackets, in lower case, without a trailing dot */
    uint16_t port;
};

/* http_origin_of - parses a URL with a scheme; false if it has no host or memory ran out */
bool http_origin_of(const char *url, struct http_origin *ret_origin);

/* http_origin_is_at - whether the host is equal to a name or an address without brackets */
bool http_origin_is_at(const struct http_origin *origin, const char *host);

/* http_origin_text - HOST:PORT, an IPv6 address in brackets, printable */
void http_origin_text(const struct http_origin *origin, char to[static HTTP_ORIGIN_BYTES]);

#endif
