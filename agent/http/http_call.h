/*
 * http_call - sends one HTTPS request and gives its reply
 *
 * TLS 1.2 or later, always verified, with only the CAs that the caller names, and only by the names
 * in the server's subjectAltName; plain HTTP only where the caller says that it never leaves the
 * machine. Redirects are not followed and proxies are not taken from the environment; ca/ handles a
 * 307. The body of the reply is limited while it arrives: CURLOPT_MAXFILESIZE does not stop chunked
 * bodies before curl 8.4.
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

/* How to reach and verify a server; texts that are not set are NULL. */
struct http_peer {
    const char *ca_file, *ca_path; /* neither: the system's CAs */
    const char *ca_key;            /* what texts call ca_file, static; NULL: "ca_file" */
    const char *tls_server_name;   /* the name to verify instead of the URL's host */
    const char *client_certificate, *client_key;
    const char *proxy;
    uint64_t timeout_s, connect_timeout_s;
    const char *unix_socket; /* socket to connect to instead of the URL's host */
    bool plain;              /* http:// is allowed */
    bool own_connection;     /* a new one for each request, not shared and not kept */
};

struct http_request {
    const struct http_peer *peer;
    const char *operation;      /* what it is for, static; NULL: its time is not told */
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
    uint64_t date_s; /* the server's time, in seconds since 1970; 0: no Date header */
    char location[HTTP_LOCATION_BYTES]; /* the target of a redirect; "" if it is none */
};

/*
 * http_call_start - sends a request
 *
 * Borrows `request` during the call only. *ret_response belongs to the caller and is filled when
 * on_done runs; any HTTP status is a success. Fails with class transient (no connection, time-out),
 * untrusted (the server's certificate, a reply over its limit) or local (memory, our own
 * certificate files). NULL with *err filled if the call could not start.
 */
struct slot *http_call_start(struct http_loop *loop, const struct http_request *request,
                             struct http_response *ret_response, slot_done *on_done, void *arg,
                             struct err *err);

/* http_response_free - wipes and frees a response; also the release for CLEANUP */
void http_response_free(struct http_response *response);

/*
 * A request to the admin interface of a consumer, or of the agent itself.
 *
 * It carries neither the CA's token nor its namespace, uses no proxy and follows no redirect. Each
 * request has a connection of its own: a kept one would reach the same old worker again. https is
 * verified as everywhere; config/ allows plain http only on this machine.
 */
struct http_admin_order {
    const char *method;
    const char *url;          /* http:// or https:// */
    const char *unix_socket;  /* socket to connect to instead of the URL's host; or NULL */
    const char *trust_anchor; /* file of trusted CAs for https; NULL: the system's */
    uint64_t limit_s;         /* from connecting to the last byte, at least 1 */
};

/* http_admin_start - sends the request; as http_call_start */
struct slot *http_admin_start(struct http_loop *loop, const struct http_admin_order *order,
                              struct http_response *ret_response, slot_done *on_done, void *arg,
                              struct err *err);

/* http_class_of - the class of a libcurl code; codes that the table does not have are transient */
enum err_kind http_class_of(CURLcode code);

/*
 * http_retry_after_s - the seconds that a Retry-After asks for (RFC 9110 section 10.2.3)
 *
 * A number of seconds, or a date, which is compared with `now_s`: the reply's own Date if it has
 * one, so that our clock does not matter. Too large values are clamped; a negative number, a past
 * date or any other text gives 0.
 */
uint32_t http_retry_after_s(const char *value, uint64_t now_s);

#endif
