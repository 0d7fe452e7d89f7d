#include "http/http_loop.h"

#include "base/secret.h"

#include <stdlib.h>

enum { REST_AFTER_S = 60 };

struct http_loop {
    sd_event *event;
    CURLM *multi; /* NULL while at rest */
    sd_event_source *timer, *rest;
    unsigned most, active, most_connections;
    struct http_transfer *first, **end; /* queued */
    struct http_transfer *running;      /* on the wire */
    http_date_seen *on_dated;           /* NULL: nobody watches */
    void *dated_arg;
    bool undriven; /* a socket or timer of libcurl's could not be watched */
};

bool http_library_open(struct err *err)
{
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, secret_malloc, secret_free,
                                         secret_realloc, secret_strdup, secret_calloc);

    return code == CURLE_OK ||
           err_set(err, ERR_LOCAL, "cannot set up libcurl: %s", curl_easy_strerror(code));
}

static void close_multi(struct http_loop *loop)
{
    CURLM *multi = loop->multi;

    /* Closing tells on_socket to drop the sources of all connections that were kept. */
    loop->multi = NULL;
    curl_multi_cleanup(multi);
    loop->undriven = false;
    sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
}

static bool put_on_wire(struct http_loop *loop, struct http_transfer *transfer)
{
    if (curl_multi_add_handle(loop->multi, transfer->easy) != CURLM_OK)
        return false;
    transfer->progress = TRANSFER_ACTIVE;
    transfer->next = loop->running;
    loop->running = transfer;
    loop->active++;
    return true;
}

static void give_back(struct http_loop *loop, struct http_transfer *transfer)
{
    struct http_transfer **at = &loop->running;

    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
    curl_multi_remove_handle(loop->multi, transfer->easy);
    transfer->progress = TRANSFER_IDLE;
    loop->active--;
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

/*
 * Nothing would drive the transfers any more: they end, and the next one begins with a new handle.
 * libcurl itself leaves them in limbo when one of its callbacks fails (curl#8114), so ours do not.
 */
static void abandon_all(struct http_loop *loop)
{
    while (loop->running != NULL) {
        struct http_transfer *transfer = loop->running;

        give_back(loop, transfer);
        transfer->on_ended(transfer, CURLE_OUT_OF_MEMORY);
    }
    while (loop->first != NULL) {
        struct http_transfer *transfer = pop_queued(loop);

        transfer->on_ended(transfer, CURLE_OUT_OF_MEMORY);
    }
    close_multi(loop);
}

static void start_queued(struct http_loop *loop)
{
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

/* Hands over what has ended; the message is dead once its handle is removed, so it is read first.
 */
static void deliver(struct http_loop *loop)
{
    CURLMsg *message;
    int left;

    while (loop->multi != NULL && (message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        struct http_transfer *transfer = NULL;
        CURLcode how = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        give_back(loop, transfer);
        transfer->on_ended(transfer, how);
    }
    if (loop->multi != NULL)
        start_queued(loop);
    if (loop->undriven)
        abandon_all(loop);
}

static void drive(struct http_loop *loop, curl_socket_t fd, int what)
{
    int running;

    /* Without memory libcurl forgets a socket or a timer of its own, and says so only here. */
    if (curl_multi_socket_action(loop->multi, fd, what, &running) != CURLM_OK)
        loop->undriven = true;
    deliver(loop);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct http_loop *loop = arg;
    int what = 0;

    (void)source;
    if ((events & (EPOLLIN | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((events & EPOLLERR) != 0)
        what |= CURL_CSELECT_ERR;
    drive(loop, fd, what);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct http_loop *loop = arg;

    (void)source;
    (void)now_us;
    if (loop->multi == NULL)
        return 0;
    drive(loop, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

static int on_rest(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct http_loop *loop = arg;

    (void)source;
    (void)now_us;
    if (loop->active == 0 && loop->first == NULL && loop->multi != NULL)
        close_multi(loop);
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
    struct http_loop *loop = arg;
    sd_event_source *source = source_arg;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        sd_event_source_disable_unref(source);
        if (loop->multi != NULL)
            curl_multi_assign(loop->multi, fd, NULL);
        return 0;
    }
    if (source != NULL) {
        loop->undriven |= sd_event_source_set_io_events(source, events[what]) < 0;
        return 0;
    }
    if (sd_event_add_io(loop->event, &source, fd, events[what], on_ready, loop) < 0) {
        loop->undriven = true;
        return 0;
    }
    sd_event_source_set_description(source, "http");
    curl_multi_assign(loop->multi, fd, source);
    return 0;
}

static int on_set_timer(CURLM *multi, long wait_ms, void *arg)
{
    struct http_loop *loop = arg;

    (void)multi;
    if (wait_ms < 0)
        loop->undriven |= sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF) < 0;
    else
        loop->undriven |=
            sd_event_source_set_time_relative(loop->timer, (uint64_t)wait_ms * 1000) < 0 ||
            sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT) < 0;
    return 0;
}

static bool open_multi(struct http_loop *loop)
{
    CURLM *multi = curl_multi_init();

    if (multi == NULL)
        return false;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)loop->most_connections);
    loop->multi = multi;
    return true;
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
    r = sd_event_add_time_relative(event, &loop->timer, CLOCK_BOOTTIME, 0, 1, on_timer, loop);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &loop->rest, CLOCK_BOOTTIME, 0, 0, on_rest, loop);
    if (r < 0) {
        http_loop_close(loop);
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(loop->rest, SD_EVENT_OFF);
    sd_event_source_set_description(loop->timer, "http timer");
    sd_event_source_set_description(loop->rest, "http rest");
    *ret_loop = loop;
    return true;
}

void http_loop_close(struct http_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->multi != NULL)
        close_multi(loop);
    sd_event_source_disable_unref(loop->timer);
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

sd_event *http_loop_event(struct http_loop *loop)
{
    return loop->event;
}

bool http_loop_add(struct http_loop *loop, struct http_transfer *transfer, struct err *err)
{
    if (loop->multi == NULL && !open_multi(loop))
        return err_memory(err);
    sd_event_source_set_enabled(loop->rest, SD_EVENT_OFF);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    transfer->loop = loop;
    if (loop->active >= loop->most) {
        transfer->next = NULL;
        *loop->end = transfer;
        loop->end = &transfer->next;
        transfer->progress = TRANSFER_QUEUED;
        return true;
    }
    if (!put_on_wire(loop, transfer))
        return err_memory(err);
    if (!loop->undriven)
        return true;
    give_back(loop, transfer);
    abandon_all(loop);
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
        give_back(transfer->loop, transfer);
        start_queued(transfer->loop);
        if (transfer->loop->undriven)
            abandon_all(transfer->loop);
    }
}
