#include "http/http_loop.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

enum { REST_AFTER_S = 5 };

struct http_loop {
    sd_event *event;
    struct http_pool *pool; /* for the next transfers; NULL while at rest */
    sd_event_source *rest;
    unsigned most, active, most_connections;
    struct http_transfer *first, **end; /* queued */
    http_date_seen *on_dated;           /* NULL: nobody watches */
    void *dated_arg;
    http_redirect_seen *on_redirect; /* NULL: nobody watches */
    void *redirect_arg;
};

bool http_library_open(struct err *err)
{
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, shortage_malloc, free,
                                         shortage_realloc, shortage_strdup, shortage_calloc);

    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;

    if (code != CURLE_OK)
        return err_set(err, ERR_LOCAL, "cannot set up libcurl: %s", curl_easy_strerror(code));
    /* How the server is verified is set at OpenSSL, see http_call.c. */
    return (tls != NULL && strstr(tls, "OpenSSL/") != NULL) ||
           err_set(err, ERR_LOCAL,
                   "this libcurl does TLS by %s; install the one that uses OpenSSL (libcurl4)",
                   tls == NULL ? "nothing" : tls);
}

static void on_turned(void *arg);

static void leave_pool(struct http_loop *loop)
{
    struct http_pool *pool = loop->pool;

    loop->pool = NULL;
    http_pool_retire(pool);
}

static bool put_on_wire(struct http_loop *loop, struct http_transfer *transfer)
{
    if (loop->pool != NULL && http_pool_is_spoiled(loop->pool))
        leave_pool(loop);
    if (loop->pool == NULL)
        loop->pool =
            http_pool_new(loop->event, loop->most_connections, &loop->active, on_turned, loop);
    return loop->pool != NULL && http_pool_add(loop->pool, transfer);
}

static struct http_transfer *pop_queued(struct http_loop *loop)
{
    struct http_transfer *transfer = loop->first;

    loop->first = transfer->next;
    if (loop->first == NULL)
        loop->end = &loop->first;
    transfer->progress = TRANSFER_IDLE;
    return transfer;
}

static void on_turned(void *arg)
{
    struct http_loop *loop = arg;

    while (loop->first != NULL && loop->active < loop->most) {
        struct http_transfer *transfer = pop_queued(loop);

        if (!put_on_wire(loop, transfer))
            transfer->on_ended(transfer, CURLE_OUT_OF_MEMORY);
    }
    if (loop->active == 0) {
        sd_event_source_set_time_relative(loop->rest, REST_AFTER_S * 1000000ULL);
        sd_event_source_set_enabled(loop->rest, SD_EVENT_ONESHOT);
    }
}

static int on_rest(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct http_loop *loop = arg;

    (void)source;
    (void)now_us;
    if (loop->active == 0 && loop->first == NULL)
        leave_pool(loop);
    return 0;
}

bool http_loop_open(sd_event *event, unsigned max_in_flight, unsigned max_connections,
                    struct http_loop **ret_loop, struct err *err)
{
    struct http_loop *loop = calloc(1, sizeof *loop);
    int r;

    if (loop == NULL)
        return err_memory(err);
    loop->event = sd_event_ref(event);
    loop->most = max_in_flight;
    loop->most_connections = max_connections;
    loop->end = &loop->first;
    r = sd_event_add_time_relative(event, &loop->rest, CLOCK_BOOTTIME, 0, 0, on_rest, loop);
    if (r < 0) {
        http_loop_close(loop);
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    sd_event_source_set_enabled(loop->rest, SD_EVENT_OFF);
    sd_event_source_set_description(loop->rest, "http rest");
    *ret_loop = loop;
    return true;
}

void http_loop_close(struct http_loop *loop)
{
    if (loop == NULL)
        return;
    leave_pool(loop);
    sd_event_source_disable_unref(loop->rest);
    sd_event_unref(loop->event);
    free(loop);
}

void http_loop_limit(struct http_loop *loop, unsigned max_in_flight)
{
    loop->most = max_in_flight;
}

void http_loop_watch_dates(struct http_loop *loop, http_date_seen *on_dated, void *arg)
{
    loop->on_dated = on_dated;
    loop->dated_arg = arg;
}

void http_loop_tell_date(const struct http_loop *loop, const struct http_dated *dated)
{
    if (loop->on_dated != NULL)
        loop->on_dated(loop->dated_arg, dated);
}

void http_loop_watch_redirects(struct http_loop *loop, http_redirect_seen *on_redirect, void *arg)
{
    loop->on_redirect = on_redirect;
    loop->redirect_arg = arg;
}

void http_loop_tell_redirect(const struct http_loop *loop, const struct http_redirect *redirect)
{
    if (loop->on_redirect != NULL)
        loop->on_redirect(loop->redirect_arg, redirect);
}

void http_loop_renew(struct http_loop *loop)
{
    leave_pool(loop);
}

sd_event *http_loop_event(struct http_loop *loop)
{
    return loop->event;
}

bool http_loop_add(struct http_loop *loop, struct http_transfer *transfer, struct err *err)
{
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    transfer->loop = loop;
    if (loop->active >= loop->most) {
        transfer->next = NULL;
        *loop->end = transfer;
        loop->end = &transfer->next;
        transfer->progress = TRANSFER_QUEUED;
        return true;
    }
    if (put_on_wire(loop, transfer))
        return true;
    /* It may have taken others with it. */
    on_turned(loop);
    return err_memory(err);
}

static void unqueue(struct http_loop *loop, struct http_transfer *transfer)
{
    for (struct http_transfer **at = &loop->first; *at != NULL; at = &(*at)->next) {
        if (*at == transfer) {
            *at = transfer->next;
            if (loop->end == &transfer->next)
                loop->end = at;
            break;
        }
    }
    transfer->progress = TRANSFER_IDLE;
}

void http_loop_remove(struct http_transfer *transfer)
{
    if (transfer->progress == TRANSFER_QUEUED)
        unqueue(transfer->loop, transfer);
    if (transfer->progress == TRANSFER_ACTIVE) {
        http_pool_remove(transfer);
        on_turned(transfer->loop);
    }
}
