#include "http/http_pool.h"

#include "base/clock.h"

#include <stdlib.h>

enum { GOOD_FOR_S = 600 };

struct http_pool {
    sd_event *event;
    CURLM *multi;
    sd_event_source *timer;
    struct http_transfer *running;
    unsigned *active;
    uint64_t born_us; /* on the boot clock */
    http_pool_turned *on_turned;
    void *arg;
    bool in_turn;  /* it must not be freed underneath */
    bool undriven; /* a socket or timer of libcurl's could not be watched */
    bool spoiled, retired, closing;
};

static void free_pool(struct http_pool *pool)
{
    /* Closing tells on_socket to drop the sources of all connections that were kept. */
    pool->closing = true;
    curl_multi_cleanup(pool->multi);
    sd_event_source_disable_unref(pool->timer);
    sd_event_unref(pool->event);
    free(pool);
}

static void free_if_done(struct http_pool *pool)
{
    if (pool->retired && pool->running == NULL && !pool->in_turn)
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
 * Nothing would drive the transfers any more: they end. libcurl itself leaves them in limbo when
 * one of its callbacks fails (curl#8114), so ours do not.
 */
static void abandon_undriven(struct http_pool *pool)
{
    bool in_turn = pool->in_turn;

    if (!pool->undriven)
        return;
    pool->spoiled = true;
    pool->in_turn = true;
    while (pool->running != NULL) {
        struct http_transfer *transfer = pool->running;

        give_back(transfer);
        transfer->on_ended(transfer, CURLE_OUT_OF_MEMORY);
    }
    pool->in_turn = in_turn;
}

/* Whether another connection may lead to a server that does better. */
static bool is_spoilt_by(const struct http_transfer *transfer, CURLcode how)
{
    long status = 0;

    if (transfer->own_connection)
        return false;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    /* 472 to 474 are Vault's standbys. */
    return how != CURLE_OK || status >= 500 || (status >= 472 && status <= 474);
}

/* Hands over what has ended; the message is dead once its handle is removed, so it is read first.
 */
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

    pool->in_turn = true;
    /* Without memory libcurl forgets a socket or a timer of its own, and says so only here. */
    if (curl_multi_socket_action(pool->multi, fd, what, &running) != CURLM_OK)
        pool->undriven = true;
    deliver(pool);
    pool->on_turned(pool->arg);
    pool->in_turn = false;
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

struct http_pool *http_pool_new(sd_event *event, unsigned max_connections, unsigned *active,
                                http_pool_turned *on_turned, void *arg)
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

void http_pool_retire(struct http_pool *pool)
{
    if (pool == NULL)
        return;
    pool->retired = true;
    free_if_done(pool);
}

bool http_pool_add(struct http_pool *pool, struct http_transfer *transfer)
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

void http_pool_remove(struct http_transfer *transfer)
{
    struct http_pool *pool = transfer->pool;

    give_back(transfer);
    abandon_undriven(pool);
    free_if_done(pool);
}

bool http_pool_is_spoiled(const struct http_pool *pool)
{
    return pool->spoiled || clock_boot_us() - pool->born_us > GOOD_FOR_S * 1000000ULL;
}
