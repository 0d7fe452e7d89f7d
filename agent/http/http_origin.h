/*
 * http_origin - the server that a URL leads to
 *
 * Read by the parser that libcurl connects by: what is judged here is where a request goes.
 */
#ifndef LEAFD_HTTP_HTTP_ORIGIN_H
#define LEAFD_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

enum { HTTP_HOST_BYTES = 256, HTTP_ORIGIN_BYTES = HTTP_HOST_BYTES + 32 };

struct http_origin {
    bool tls;                   /* https */
    bool user;                  /* the URL brings a user name or a password along */
    char host[HTTP_HOST_BYTES]; /* without brackets, in lower case, without a dot at its end */
    uint16_t port;
};

/* http_origin_of - reads a URL with a scheme; false if it leads nowhere or memory ran out */
bool http_origin_of(const char *url, struct http_origin *ret_origin);

/* http_origin_is_at - whether it is that host, a name or an address without brackets */
bool http_origin_is_at(const struct http_origin *origin, const char *host);

/* http_origin_text - HOST:PORT, an IPv6 address in brackets, printable */
void http_origin_text(const struct http_origin *origin, char to[static HTTP_ORIGIN_BYTES]);

#endif
