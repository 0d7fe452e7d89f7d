#include "http/http_loop.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { REST_AFTER_S = 5, GOOD_FOR_S = 600 };

bool http_library_open(struct err *err)
{
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, shortage_malloc, free,
                                         shortage_realloc, shortage_strdup, shortage_calloc);

    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;

    if (code != CURLE_OK)
        return err_set(err, ERR_LOCAL, "cannot set up libcurl: %s", curl_easy_strerror(code));
    /* http_call.c sets a verification callback of OpenSSL. */
    return (tls != NULL && strstr(tls, "OpenSSL/") != NULL) ||
           err_set(err, ERR_LOCAL,
                   "this libcurl uses %s for TLS; install the one that uses OpenSSL (libcurl4)",
                   tls == NULL ? "nothing" : tls);
}

/* -- a pool: connections that transfers share
 * ------------------------------------------------------
 *
 * libcurl's multi handle in the event loop. It is good for ten minutes, or until something goes
 * wrong in it. libcurl goes on using an HTTP/2 connection on which a transfer timed out
 * (curl#17225), though a middlebox may have forgotten it or the machine behind it may be gone, and
 * the kernel gives it up after a quarter of an hour. And a node that answers that it is sealed or
 * has no leader does so on that connection for ever, while a new one may lead to its neighbour. So
 * the loop begins another and retires this one, which ends what it began.
 */

struct http_pool {
    sd_event *event;
    CURLM *multi;
    sd_event_source *timer;
    struct http_transfer *running;
    unsigned *active;
    uint64_t born_us; /* on the boot clock */
    void (*on_turned)(void *arg);
    void *arg;
    bool in_use;   /* it must not be freed now */
    bool undriven; /* a socket or timer of libcurl could not be watched */
    bool spoiled, retired, closing;
};

static void free_pool(struct http_pool *pool)
{
    /* While closing, on_socket drops the sources of all kept connections. */
    pool->closing = true;
    curl_multi_cleanup(pool->multi);
    sd_event_source_disable_unref(pool->timer);
    sd_event_unref(pool->event);
    free(pool);
}

static void free_if_done(struct http_pool *pool)
{
    if (pool->retired && pool->running == NULL && !pool->in_use)
        free_pool(pool);
}

static void give_back(struct http_transfer *transfer)
{
    struct http_pool *pool = transfer->pool;
    struct http_transfer **at = &pool->running;

    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
    curl_multi_remove_handle(pool->multi, transfer->easy);
    transfer->progress = TRANSFER_IDLE;
    transfer->pool = NULL;
    --*pool->active;
}

/*
 * Ends all transfers, since no event would continue them. libcurl leaves transfers hanging when one
 * of its callbacks fails (curl#8114), so our callbacks never fail.
 */
static void abandon_undriven(struct http_pool *pool)
{
    bool in_use = pool->in_use;

    if (!pool->undriven)
        return;
    pool->spoiled = true;
    pool->in_use = true;
    while (pool->running != NULL) {
        struct http_transfer *transfer = pool->running;

        give_back(transfer);
        transfer->on_ended(transfer, CURLE_OUT_OF_MEMORY);
    }
    pool->in_use = in_use;
}

/* Whether another connection may reach a healthier server. */
static bool is_spoilt_by(const struct http_transfer *transfer, CURLcode how)
{
    long status = 0;

    if (transfer->own_connection)
        return false;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    /* 472 to 474 are statuses of Vault's standbys. */
    return how != CURLE_OK || status >= 500 || (status >= 472 && status <= 474);
}

/* Delivers the ended transfers. Reads each message before removing its handle, which frees the
 * message. */
static void deliver(struct http_pool *pool)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
        struct http_transfer *transfer = NULL;
        CURLcode how = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        give_back(transfer);
        pool->spoiled |= is_spoilt_by(transfer, how);
        transfer->on_ended(transfer, how);
    }
    abandon_undriven(pool);
}

static void drive(struct http_pool *pool, curl_socket_t fd, int what)
{
    int running;

    pool->in_use = true;
    /* If memory runs out, libcurl drops a socket or timer and reports it only here. */
    if (curl_multi_socket_action(pool->multi, fd, what, &running) != CURLM_OK)
        pool->undriven = true;
    deliver(pool);
    pool->on_turned(pool->arg);
    pool->in_use = false;
    free_if_done(pool);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct http_pool *pool = arg;
    int what = 0;

    (void)source;
    if ((events & (EPOLLIN | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((events & EPOLLERR) != 0)
        what |= CURL_CSELECT_ERR;
    drive(pool, fd, what);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    drive(arg, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *source_arg)
{
    static const uint32_t events[] = {
        [CURL_POLL_NONE] = 0,
        [CURL_POLL_IN] = EPOLLIN,
        [CURL_POLL_OUT] = EPOLLOUT,
        [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT,
    };
    struct http_pool *pool = arg;
    sd_event_source *source = source_arg;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        sd_event_source_disable_unref(source);
        if (!pool->closing)
            curl_multi_assign(pool->multi, fd, NULL);
        return 0;
    }
    if (source != NULL) {
        pool->undriven |= sd_event_source_set_io_events(source, events[what]) < 0;
        return 0;
    }
    if (sd_event_add_io(pool->event, &source, fd, events[what], on_ready, pool) < 0) {
        pool->undriven = true;
        return 0;
    }
    sd_event_source_set_description(source, "http");
    curl_multi_assign(pool->multi, fd, source);
    return 0;
}

static int on_set_timer(CURLM *multi, long wait_ms, void *arg)
{
    struct http_pool *pool = arg;

    (void)multi;
    if (wait_ms < 0)
        pool->undriven |= sd_event_source_set_enabled(pool->timer, SD_EVENT_OFF) < 0;
    else
        pool->undriven |=
            sd_event_source_set_time_relative(pool->timer, (uint64_t)wait_ms * 1000) < 0 ||
            sd_event_source_set_enabled(pool->timer, SD_EVENT_ONESHOT) < 0;
    return 0;
}

/* `max_connections` is the limit for one host; 0 is no limit. `active` counts the transfers on the
 * wire of all pools. NULL if memory ran out. */
static struct http_pool *new_pool(sd_event *event, unsigned max_connections, unsigned *active,
                                  void (*on_turned)(void *arg), void *arg)
{
    struct http_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return NULL;
    pool->event = sd_event_ref(event);
    pool->active = active;
    pool->born_us = clock_boot_us();
    pool->on_turned = on_turned;
    pool->arg = arg;
    pool->multi = curl_multi_init();
    if (pool->multi == NULL ||
        sd_event_add_time_relative(event, &pool->timer, CLOCK_BOOTTIME, 0, 1, on_timer, pool) < 0) {
        free_pool(pool);
        return NULL;
    }
    sd_event_source_set_enabled(pool->timer, SD_EVENT_OFF);
    sd_event_source_set_description(pool->timer, "http timer");
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(pool->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)max_connections);
    return pool;
}

/* The pool gets no more transfers. When the last one has ended, all connections are closed and the
 * pool is freed. */
static void retire_pool(struct http_pool *pool)
{
    if (pool == NULL)
        return;
    pool->retired = true;
    free_if_done(pool);
}

/* False if memory ran out: then all other transfers of the pool have ended as well. */
static bool add_to_pool(struct http_pool *pool, struct http_transfer *transfer)
{
    if (curl_multi_add_handle(pool->multi, transfer->easy) != CURLM_OK)
        return false;
    transfer->progress = TRANSFER_ACTIVE;
    transfer->pool = pool;
    transfer->next = pool->running;
    pool->running = transfer;
    ++*pool->active;
    if (!pool->undriven)
        return true;
    give_back(transfer);
    abandon_undriven(pool);
    free_if_done(pool);
    return false;
}

static void remove_from_pool(struct http_transfer *transfer)
{
    struct http_pool *pool = transfer->pool;

    give_back(transfer);
    abandon_undriven(pool);
    free_if_done(pool);
}

/* Whether the next transfer should use another pool. */
static bool is_spoiled(const struct http_pool *pool)
{
    return pool->spoiled || clock_boot_us() - pool->born_us > GOOD_FOR_S * 1000000ULL;
}

/* -- the loop
 * --------------------------------------------------------------------------------------
 */

struct http_loop {
    sd_event *event;
    struct tls_store *tls;
    struct http_pool *pool; /* for the next transfers; NULL while idle */
    sd_event_source *rest;
    unsigned most, active, most_connections;
    struct http_transfer *first, **end; /* queued */
    http_date_seen *on_dated;           /* NULL: nobody watches */
    void *dated_arg;
    http_call_seen *on_call; /* NULL: nobody watches */
    void *call_arg;
    http_redirect_seen *on_redirect; /* NULL: nobody watches */
    void *redirect_arg;
    http_reply_seen *on_reply; /* NULL: nobody watches */
    void *reply_arg;
    uint64_t replied_s; /* http_loop_replied_s */
};

static void on_turned(void *arg);

static void leave_pool(struct http_loop *loop)
{
    struct http_pool *pool = loop->pool;

    loop->pool = NULL;
    retire_pool(pool);
}

static bool put_on_wire(struct http_loop *loop, struct http_transfer *transfer)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a pool that is in use is not retired */
    if (loop->pool != NULL && is_spoiled(loop->pool))
        leave_pool(loop);
    if (loop->pool == NULL)
        loop->pool = new_pool(loop->event, loop->most_connections, &loop->active, on_turned, loop);
    return loop->pool != NULL && add_to_pool(loop->pool, transfer);
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

bool http_loop_open(sd_event *event, struct workers *workers, unsigned max_in_flight,
                    unsigned max_connections, struct http_loop **ret_loop, struct err *err)
{
    struct http_loop *loop = calloc(1, sizeof *loop);
    int r;

    if (loop == NULL)
        return err_memory(err);
    loop->event = sd_event_ref(event);
    loop->most = max_in_flight;
    loop->most_connections = max_connections;
    loop->end = &loop->first;
    loop->tls = tls_store_new(event, workers);
    if (loop->tls == NULL) {
        http_loop_close(loop);
        return err_memory(err);
    }
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
    tls_store_free(loop->tls);
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

void http_loop_note_reply(struct http_loop *loop, int status)
{
    if (status >= 502 && status <= 504)
        return;
    loop->replied_s = clock_now_s();
    if (loop->on_reply != NULL)
        loop->on_reply(loop->reply_arg);
}

void http_loop_watch_replies(struct http_loop *loop, http_reply_seen *on_reply, void *arg)
{
    loop->on_reply = on_reply;
    loop->reply_arg = arg;
}

uint64_t http_loop_replied_s(const struct http_loop *loop)
{
    return loop->replied_s;
}

void http_loop_watch_calls(struct http_loop *loop, http_call_seen *on_call, void *arg)
{
    loop->on_call = on_call;
    loop->call_arg = arg;
}

void http_loop_tell_call(const struct http_transfer *transfer, const char *operation, CURLcode how)
{
    const struct http_loop *loop = transfer->loop;
    struct http_spent spent = {.operation = operation, .how = how};
    curl_off_t took_us = 0;
    long status = 0;

    if (operation == NULL || loop->on_call == NULL)
        return;
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &took_us);
    if (how == CURLE_OK)
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    spent.status = (int)status;
    spent.took_us = (uint64_t)took_us;
    loop->on_call(loop->call_arg, &spent);
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

struct tls_store *http_loop_tls(struct http_loop *loop)
{
    return loop->tls;
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
    /* Other transfers may have ended with it. */
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
        remove_from_pool(transfer);
        on_turned(transfer->loop);
    }
}
