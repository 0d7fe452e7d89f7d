/*
 * http_loop - the calls of one kind, in order, over connections that they share
 *
 * All calls share one pool, so that they share one HTTP/2 connection where the server offers it,
 * else a few HTTP/1.1 ones; at most `max_in_flight` are on the wire and the rest wait in order.
 * After a call that failed, and after ten minutes, the next ones use new connections. After five
 * seconds without calls the pool is closed: an idle agent holds no connection, no TLS session, no
 * cached CA store and, since HTTP/2 keeps the headers of a connection, no second copy of the token,
 * and starts with fresh DNS when it wakes up.
 */
#ifndef LEAFD_HTTP_HTTP_LOOP_H
#define LEAFD_HTTP_HTTP_LOOP_H

#include "base/err.h"

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
    bool own_connection;    /* how it ends says nothing about others */
    void (*on_ended)(struct http_transfer *transfer, CURLcode how);
    struct http_transfer *next; /* in the loop's queue, or among those on the wire */
    enum { TRANSFER_IDLE, TRANSFER_QUEUED, TRANSFER_ACTIVE } progress;
};

/* A reply that told the server's time. */
struct http_dated {
    uint64_t date_s;      /* its Date, in seconds since 1970 */
    uint64_t received_ms; /* when it began to arrive, by the wall clock */
    uint64_t took_ms;     /* from the request to that moment, by a clock that nobody sets */
};

typedef void http_date_seen(void *arg, const struct http_dated *dated);

/* A reply that sent a request on to another server; HOST:PORT of both. */
struct http_redirect {
    const char *from, *to;
    const char *why_not; /* NULL: it was followed */
};

typedef void http_redirect_seen(void *arg, const struct http_redirect *redirect);

/* http_library_open - sets libcurl up for the process; before all else */
bool http_library_open(struct err *err);

/*
 * http_loop_open - a loop of transfers in `event`, which it borrows
 *
 * `max_connections` is the most to one host; 0 sets no limit. To libcurl all Unix sockets are one
 * host. Fails with class local.
 */
bool http_loop_open(sd_event *event, unsigned max_in_flight, unsigned max_connections,
                    struct http_loop **ret_loop, struct err *err);

/* http_loop_close - ends the loop; every transfer has been removed before. NULL is fine */
void http_loop_close(struct http_loop *loop);

/* http_loop_limit - changes how many transfers may be on the wire; those that are stay there */
void http_loop_limit(struct http_loop *loop, unsigned max_in_flight);

/* http_loop_watch_dates - calls on_dated for every reply with a Date from now on */
void http_loop_watch_dates(struct http_loop *loop, http_date_seen *on_dated, void *arg);

/* http_loop_tell_date - tells whoever watches the dates */
void http_loop_tell_date(const struct http_loop *loop, const struct http_dated *dated);

/* http_loop_watch_redirects - calls on_redirect for every reply that sends a request on */
void http_loop_watch_redirects(struct http_loop *loop, http_redirect_seen *on_redirect, void *arg);

/* http_loop_tell_redirect - tells whoever watches the redirects */
void http_loop_tell_redirect(const struct http_loop *loop, const struct http_redirect *redirect);

/* http_loop_renew - the next transfers use new connections, which may lead to another server */
void http_loop_renew(struct http_loop *loop);

/* http_loop_event - the event loop that it runs in, borrowed */
sd_event *http_loop_event(struct http_loop *loop);

/*
 * http_loop_add - starts a transfer, or queues it
 *
 * on_ended runs in a later iteration, after the easy handle has left the loop; it may add and
 * remove transfers. Fails with class local.
 */
bool http_loop_add(struct http_loop *loop, struct http_transfer *transfer, struct err *err);

/* http_loop_remove - takes a transfer out, wherever it is; on_ended does not run any more */
void http_loop_remove(struct http_transfer *transfer);

#endif
