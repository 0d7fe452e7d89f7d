/*
 * serve_client - the connections of the HTTP server, and their limits
 *
 * Those at the Unix socket and those by TCP are counted apart. A connection by TCP that lasts too
 * long is cut. One by TCP that has not sent its request takes no place of those that have: when
 * there are too many of them, one is cut, of those from the host that has the most. A client whose
 * request has arrived is never cut for another one.
 */
#ifndef LEAFD_APP_SERVE_CLIENT_H
#define LEAFD_APP_SERVE_CLIENT_H

#include "app/microhttpd.h"

#include <systemd/sd-event.h>

#include <netinet/in.h>
#include <sys/queue.h>

/* Those by TCP are in a queue, the oldest first, until they are cut. */
struct serve_client {
    struct serve_clients *clients;
    TAILQ_ENTRY(serve_client) entry;
    int fd;                     /* the library's */
    bool is_local, is_loopback; /* at the Unix socket; by TCP at a loopback address */
    bool is_queued;
    bool has_asked; /* its request is complete */
    uint64_t since_us;
    struct in6_addr peer; /* the host of a client by TCP */
};

struct serve_clients {
    sd_event_source *limit; /* NULL: not open */
    TAILQ_HEAD(serve_client_queue, serve_client) remote;
    size_t most; /* of either kind */
    size_t local_count;
    size_t asked_count, silent_count; /* by TCP: with a request, and without */
    uint64_t asked;                   /* requests by TCP until now */
    struct serve_client *arriving;    /* while the library is handed a connection */
    void (*on_left)(void *arg);       /* called when a connection has ended */
    void *arg;
};

/* serve_clients_open - no clients yet; most, on_left and arg are the caller's. Fails with class
 * local */
bool serve_clients_open(struct serve_clients *clients, sd_event *loop, struct err *err);

/* serve_clients_close - every connection has ended before; {0} is fine */
void serve_clients_close(struct serve_clients *clients);

/* serve_clients_are_full - whether there is no place for one more request of that kind */
bool serve_clients_are_full(const struct serve_clients *clients, bool is_local);

/*
 * serve_clients_shed - cuts connections by TCP without a request, if they are too many
 *
 * Call it after a turn of the library, which has read what has arrived. Whether one was cut: the
 * library closes it in its next turn.
 */
bool serve_clients_shed(struct serve_clients *clients);

/* serve_clients_add - hands a connection to the library, which closes `fd` in any case */
void serve_clients_add(struct serve_clients *clients, struct MHD_Daemon *daemon, int fd,
                       bool is_local);

/* serve_clients_notify - what the library calls at the start and the end of a connection; `arg` is
 * the struct serve_clients */
void serve_clients_notify(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what);

/* serve_client_asks - notes that the client's request is complete */
void serve_client_asks(struct serve_client *client);

/* serve_client_of - the client of a connection */
struct serve_client *serve_client_of(struct MHD_Connection *connection);

#endif
