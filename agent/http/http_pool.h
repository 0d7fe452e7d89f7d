/*
 * http_pool - connections that transfers share: libcurl's multi handle in the event loop
 *
 * A pool is good for ten minutes, or until something goes wrong in it. libcurl goes on using an
 * HTTP/2 connection on which a transfer timed out (curl#17225), though a middlebox may have
 * forgotten it or the machine behind it may be gone, and the kernel gives it up after a quarter of
 * an hour. And a node that answers that it is sealed or has no leader does so on that connection
 * for ever, while a new one may lead to its neighbour. So whoever uses the pool begins another and
 * retires this one, which ends what it began.
 */
#ifndef LEAFD_HTTP_HTTP_POOL_H
#define LEAFD_HTTP_HTTP_POOL_H

#include "base/err.h"

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include <stdbool.h>

struct http_loop;
struct http_pool;

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

/* Told after a turn in which transfers may have ended. */
typedef void http_pool_turned(void *arg);

/*
 * http_pool_new - a pool without connections in `event`
 *
 * `max_connections` is the most to one host; 0 sets no limit. `active` counts the transfers that
 * are on the wire; pools may share it. NULL if memory ran out.
 */
struct http_pool *http_pool_new(sd_event *event, unsigned max_connections, unsigned *active,
                                http_pool_turned *on_turned, void *arg);

/*
 * http_pool_retire - takes the pool from its user: no transfer is added any more
 *
 * Every connection is closed, and the pool freed, when the last transfer has left it. NULL is fine.
 */
void http_pool_retire(struct http_pool *pool);

/*
 * http_pool_add - puts a transfer on the wire
 *
 * Its on_ended runs in a later turn, when it has left the pool, and may add and remove others.
 * false if memory ran out: then all others of the pool have ended, too.
 */
bool http_pool_add(struct http_pool *pool, struct http_transfer *transfer);

/* http_pool_remove - takes a transfer off the wire; its on_ended does not run any more */
void http_pool_remove(struct http_transfer *transfer);

/* http_pool_is_spoiled - whether the next transfer had better use another pool */
bool http_pool_is_spoiled(const struct http_pool *pool);

#endif
