/*
 * http_loop - carries out the calls of one kind in order, over shared connections
 *
 * All calls share one pool: one HTTP/2 connection if the server supports it, else a few HTTP/1.1
 * ones; at most `max_in_flight` calls are on the wire and the rest wait in order. After a failed
 * call, and after ten minutes, the next calls use new connections. After five seconds without calls
 * the pool is closed: an idle agent has no connection, no TLS session and, since HTTP/2 keeps the
 * headers of a connection, no second copy of the token; its next call looks up DNS names again. It
 * keeps the CA certificates that the last call trusted (http/tls_files).
 */
#ifndef LEAFD_HTTP_HTTP_LOOP_H
#define LEAFD_HTTP_HTTP_LOOP_H

#include "base/err.h"
#include "http/tls_files.h"

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stdint.h>

struct http_loop;

/* One transfer; embedded in what owns the easy handle. */
struct http_transfer {
    struct http_loop *loop;
    struct http_pool *pool; /* while it is on the wire */
    CURL *easy;             /* borrowed; CURLOPT_PRIVATE points to this struct */
    bool own_connection;    /* its failure does not affect other transfers */
    void (*on_ended)(struct http_transfer *transfer, CURLcode how);
    struct http_transfer *next; /* in the loop's queue, or among those on the wire */
    enum { TRANSFER_IDLE, TRANSFER_QUEUED, TRANSFER_ACTIVE } progress;
};

/* A reply with a Date header. */
struct http_dated {
    uint64_t date_s;      /* the Date, in seconds since 1970 */
    uint64_t received_ms; /* when the reply began to arrive, by the wall clock */
    uint64_t took_ms;     /* from the request to that time, by the boot clock */
};

/* Called for every reply of the server itself; a proxy sends 502 to 504 while that is down. */
typedef void http_reply_seen(void *arg);

typedef void http_date_seen(void *arg, const struct http_dated *dated);

/* A request that has ended. */
struct http_spent {
    const char *operation; /* what it was for, static; see struct http_request */
    int status;            /* of HTTP; 0: there was no whole reply */
    CURLcode how;
    uint64_t took_us; /* without the time in the loop's queue */
};

typedef void http_call_seen(void *arg, const struct http_spent *spent);

/* A redirect to another server; HOST:PORT of both. */
struct http_redirect {
    const char *from, *to;
    const char *why_not; /* NULL: it was followed */
};

typedef void http_redirect_seen(void *arg, const struct http_redirect *redirect);

/* http_library_open - sets up libcurl for the process; call it first */
bool http_library_open(struct err *err);

/*
 * http_loop_open - a loop of transfers in `event`; borrows it and `workers`
 *
 * The workers read the files of TLS. `max_connections` is the limit for one host; 0 is no limit.
 * libcurl counts all Unix sockets as one host. Fails with class local.
 */
bool http_loop_open(sd_event *event, struct workers *workers, unsigned max_in_flight,
                    unsigned max_connections, struct http_loop **ret_loop, struct err *err);

/* http_loop_close - ends the loop; every transfer has been removed before. NULL is fine */
void http_loop_close(struct http_loop *loop);

/* http_loop_limit - changes how many transfers may be on the wire; running ones go on */
void http_loop_limit(struct http_loop *loop, unsigned max_in_flight);

/* http_loop_watch_dates - calls on_dated for every reply with a Date from now on */
void http_loop_watch_dates(struct http_loop *loop, http_date_seen *on_dated, void *arg);

/* http_loop_tell_date - calls the watcher of dates */
void http_loop_tell_date(const struct http_loop *loop, const struct http_dated *dated);

/* http_loop_watch_replies - calls on_reply for every reply from now on; NULL ends it */
void http_loop_watch_replies(struct http_loop *loop, http_reply_seen *on_reply, void *arg);

/* http_loop_note_reply - a reply of that HTTP status arrived now */
void http_loop_note_reply(struct http_loop *loop, int status);

/*
 * http_loop_replied_s - when the last reply arrived, by the wall clock; 0: none did
 *
 * A 502 to 504 does not count, since a proxy sends it while the server is down.
 */
uint64_t http_loop_replied_s(const struct http_loop *loop);

/* http_loop_watch_calls - calls on_call for every request with an operation that ends from now on
 */
void http_loop_watch_calls(struct http_loop *loop, http_call_seen *on_call, void *arg);

/* http_loop_tell_call - calls the watcher of requests, unless `operation` is NULL */
void http_loop_tell_call(const struct http_transfer *transfer, const char *operation, CURLcode how);

/* http_loop_watch_redirects - calls on_redirect for every redirect from now on */
void http_loop_watch_redirects(struct http_loop *loop, http_redirect_seen *on_redirect, void *arg);

/* http_loop_tell_redirect - calls the watcher of redirects */
void http_loop_tell_redirect(const struct http_loop *loop, const struct http_redirect *redirect);

/* http_loop_renew - makes the next transfers use new connections, which may reach another server */
void http_loop_renew(struct http_loop *loop);

/* http_loop_tls - its store of the files of TLS, borrowed */
struct tls_store *http_loop_tls(struct http_loop *loop);

/* http_loop_event - the event loop that it runs in, borrowed */
sd_event *http_loop_event(struct http_loop *loop);

/*
 * http_loop_add - starts a transfer, or queues it
 *
 * on_ended runs in a later iteration, after the easy handle has left the loop; it may add and
 * remove transfers. Fails with class local.
 */
bool http_loop_add(struct http_loop *loop, struct http_transfer *transfer, struct err *err);

/* http_loop_remove - removes a transfer, queued or running; on_ended does not run any more */
void http_loop_remove(struct http_transfer *transfer);

#endif
