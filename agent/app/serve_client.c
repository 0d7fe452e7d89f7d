#include "app/serve_client.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REMOTE_MOST_S = 30, /* of a connection by TCP, from its first byte to its last */
    SILENT_MOST_S = 1,  /* before its request is complete, while others wait for a place */
    CROWDED_MS = 100    /* between two looks then */
};

static uint64_t end_us(const struct serve_client *client)
{
    return client->since_us + REMOTE_MOST_S * 1000000ULL;
}

static void unqueue(struct serve_client *client)
{
    if (client->is_queued)
        TAILQ_REMOVE(&client->clients->remote, client, entry);
    client->is_queued = false;
}

/* The library notices that the connection has ended and closes it. */
static void cut(struct serve_client *client)
{
    unqueue(client);
    shutdown(client->fd, SHUT_RDWR);
}

/* The oldest connection has the next deadline. */
static void arm(struct serve_clients *clients)
{
    const struct serve_client *oldest = TAILQ_FIRST(&clients->remote);

    bool is_crowded = clients->is_crowded;

    if (is_crowded)
        sd_event_source_set_time_relative(clients->limit, CROWDED_MS * 1000ULL);
    else if (oldest != NULL)
        sd_event_source_set_time(clients->limit, end_us(oldest));
    sd_event_source_set_enabled(clients->limit,
                                is_crowded || oldest != NULL ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct serve_clients *clients = arg;
    struct serve_client *client;

    (void)source;
    if (clients->is_crowded)
        clients->on_left(clients->arg);
    clients->is_crowded = false;
    while ((client = TAILQ_FIRST(&clients->remote)) != NULL && end_us(client) <= now_us)
        cut(client);
    arm(clients);
    return 0;
}

bool serve_clients_open(struct serve_clients *clients, sd_event *loop, struct err *err)
{
    int r;

    TAILQ_INIT(&clients->remote);
    r = sd_event_add_time(loop, &clients->limit, CLOCK_BOOTTIME, 0, 1000, on_limit, clients);
    if (r >= 0)
        r = sd_event_source_set_enabled(clients->limit, SD_EVENT_OFF);
    return r >= 0 || err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
}

void serve_clients_close(struct serve_clients *clients)
{
    clients->limit = sd_event_source_disable_unref(clients->limit);
}

bool serve_clients_are_full(const struct serve_clients *clients, bool is_local)
{
    return (is_local ? clients->local_count : clients->remote_count) >= clients->most;
}

bool serve_clients_cut_silent(struct serve_clients *clients)
{
    uint64_t now_us = clock_boot_us();
    struct serve_client *client;

    TAILQ_FOREACH(client, &clients->remote, entry)
    if (!client->has_asked && client->since_us + SILENT_MOST_S * 1000000ULL <= now_us) {
        cut(client);
        return true;
    }
    clients->is_crowded = true;
    arm(clients);
    return false;
}

static void free_client(struct serve_client *client)
{
    struct serve_clients *clients = client->clients;

    unqueue(client);
    clients->local_count -= client->is_local;
    clients->remote_count -= !client->is_local;
    free(client);
    clients->on_left(clients->arg);
}

/* Whether the client connected to a loopback address of this machine. */
static bool is_at_loopback(int fd)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } own = {.any = {0}};
    const struct in6_addr *v6 = &own.v6.sin6_addr;
    socklen_t size = sizeof own;

    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        return true;
    if (own.any.ss_family == AF_INET)
        return ntohl(own.v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

void serve_clients_add(struct serve_clients *clients, struct MHD_Daemon *daemon, int fd,
                       bool is_local)
{
    /* The library neither needs nor tells the client's address. */
    const struct sockaddr address = {.sa_family = AF_UNIX};
    struct serve_client *client = calloc(1, sizeof *client);

    if (client == NULL) {
        close(fd);
        return;
    }
    *client = (struct serve_client){.clients = clients,
                                    .fd = fd,
                                    .is_local = is_local,
                                    .is_loopback = !is_local && is_at_loopback(fd),
                                    .is_queued = !is_local,
                                    .since_us = clock_boot_us()};
    clients->local_count += is_local;
    clients->remote_count += !is_local;
    if (client->is_queued)
        TAILQ_INSERT_TAIL(&clients->remote, client, entry);
    clients->arriving = client;
    microhttpd.MHD_add_connection(daemon, fd, &address, sizeof address);
    if (clients->arriving != NULL)
        free_client(TAKE(clients->arriving));
    arm(clients);
}

void serve_clients_notify(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct serve_clients *clients = arg;

    (void)connection;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = TAKE(clients->arriving);
    } else if (*context != NULL) {
        free_client(*context);
        *context = NULL;
    }
}

struct serve_client *serve_client_of(struct MHD_Connection *connection)
{
    return microhttpd.MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}
