/*
 * http_call - one HTTPS request and its reply
 *
 * TLS 1.2 at least, always verified, against the CAs that the caller names and no others, and by
 * the names in the server's subjectAltName alone; plain HTTP goes only where the caller says that
 * it never leaves the machine. No redirect is followed and no proxy taken from the environment;
 * what a 307 means is for vault/ to decide. The body of the reply is capped while it arrives:
 * CURLOPT_MAXFILESIZE does not stop chunked bodies before curl 8.4.
 */
#ifndef LEAFD_HTTP_HTTP_CALL_H
#define LEAFD_HTTP_HTTP_CALL_H

#include "base/bytes.h"
#include "base/secret.h"
#include "base/slot.h"
#include "http/http_loop.h"

#include <stdint.h>

enum { HTTP_REPLY_MOST_BYTES = 256 * 1024, HTTP_LOCATION_BYTES = 512 };

/* How a server is reached and trusted; texts that are not set are NULL. */
struct http_peer {
    const char *ca_file, *ca_path; /* neither: the system's */
    const char *tls_server_name;   /* the name to verify in place of the URL's host */
    const char *client_certificate, *client_key;
    const char *proxy;
    uint64_t timeout_s, connect_timeout_s;
    const char *unix_socket; /* connected to in place of the URL's host */
    bool plain;              /* http:// will do */
    bool own_connection;     /* a new one for each request, not shared and not kept */
};

struct http_request {
    const struct http_peer *peer;
    const char *method;         /* "GET", "POST" */
    const char *url;            /* https://, or http:// if the peer is plain */
    const char *headers[4];     /* "Name: value", ends with NULL */
    const struct secret *token; /* for X-Vault-Token; NULL: none */
    const struct bytes *body;   /* JSON; NULL: none */
    size_t reply_most_bytes;    /* 0: HTTP_REPLY_MOST_BYTES */
};

struct http_response {
    int status;
    struct bytes body; /* wiped by http_response_free */
    uint32_t retry_after_s;
    uint64_t date_s;                    /* the server's time, in seconds since 1970; 0: not told */
    char location[HTTP_LOCATION_BYTES]; /* where a redirect leads; "" if it is none */
};

/*
 * http_call_start - sends a request
 *
 * Borrows `request` during the call only. *ret_response belongs to the caller and is filled when
 * on_done runs; any HTTP status counts as done well. Failures: transient (no connection, time out),
 * untrusted (the server's certificate, a reply over its ceiling), local (memory, our own
 * certificate files). NULL with *err filled if the call could not even start.
 */
struct slot *http_call_start(struct http_loop *loop, const struct http_request *request,
                             struct http_response *ret_response, slot_done *on_done, void *arg,
                             struct err *err);

/* http_response_free - wipes what a response holds; also the release for CLEANUP */
void http_response_free(struct http_response *response);

#endif
