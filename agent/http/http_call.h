/*
 * http_call - one HTTPS request and its reply
 *
 * TLS 1.2 at least, always verified, against the CAs that the caller names and no others, and by
 * the names in the server's subjectAltName alone; plain HTTP goes only where the caller says that
 * it never leaves the machine. No redirect is followed and no proxy taken from the environment;
 * what a 307 means is for ca/ to decide. The body of the reply is capped while it arrives:
 * CURLOPT_MAXFILESIZE does not stop chunked bodies before curl 8.4.
 */
#ifndef LEAFD_HTTP_HTTP_CALL_H
#define LEAFD_HTTP_HTTP_CALL_H

#include "base/bytes.h"
#include "base/secret.h"
#include "base/slot.h"
#include "http/http_loop.h"

#include <curl/curl.h>

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

/*
 * A request to the admin interface of a consumer, or of the agent itself.
 *
 * It gets neither the CA's token nor its namespace, goes through no proxy and is not redirected.
 * Each has a connection of its own: one that is kept would lead to the same old worker again. https
 * is verified as everywhere; plain http is for the caller to keep on this machine, which config/
 * sees to.
 */
struct http_admin_order {
    const char *method;
    const char *url;         /* http:// or https:// */
    const char *unix_socket; /* asked in place of the URL's host; or NULL */
    const char *ca_file;     /* whom to trust by https; NULL: the system's */
    uint64_t limit_s;        /* from connecting to the last byte, at least 1 */
};

/* http_admin_start - sends the order; what http_call_start says holds here */
struct slot *http_admin_start(struct http_loop *loop, const struct http_admin_order *order,
                              struct http_response *ret_response, slot_done *on_done, void *arg,
                              struct err *err);

/* http_class_of - the class; what no line of the table names is the network's fault: transient */
enum err_kind http_class_of(CURLcode code);

/*
 * http_retry_after_s - the seconds that a Retry-After asks for (RFC 9110 section 10.2.3)
 *
 * A number of seconds, or a date, which is held against `now_s`: the reply's own Date where it has
 * one, so that our clock does not count. More than fits is the most that fits; what is negative,
 * over, or neither of the two asks for nothing: 0.
 */
uint32_t http_retry_after_s(const char *value, uint64_t now_s);

#endif
