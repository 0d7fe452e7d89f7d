#include "app/serve_client.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REMOTE_MOST_S = 30 /* of a connection by TCP, from its first byte to its last */
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

    if (oldest != NULL)
        sd_event_source_set_time(clients->limit, end_us(oldest));
    sd_event_source_set_enabled(clients->limit, oldest != NULL ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct serve_clients *clients = arg;
    struct serve_client *client;

    (void)source;
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
    return (is_local ? clients->local_count : clients->asked_count) >= clients->most;
}

static size_t count_silent_of(const struct serve_clients *clients, const struct in6_addr *peer)
{
    const struct serve_client *client;
    size_t count = 0;

    TAILQ_FOREACH(client, &clients->remote, entry)
    count += !client->has_asked && memcmp(&client->peer, peer, sizeof *peer) == 0;
    return count;
}

/* Of a client without a request: -1 if it waits for more from it, 0 if it has left, else there is
 * something to read. The library does not see the end of a connection that it was handed with it.
 */
static ssize_t look_at(const struct serve_client *client)
{
    char first;

    return recv(client->fd, &first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
}

bool serve_clients_shed(struct serve_clients *clients)
{
    struct serve_client *client, *next, *found = NULL;
    size_t most = 0;
    bool any_left = false;

    if (clients->silent_count <= clients->most)
        return false;
    for (client = TAILQ_FIRST(&clients->remote); client != NULL; client = next) {
        ssize_t seen = client->has_asked ? 1 : look_at(client);
        size_t count = seen >= 0 ? 0 : count_silent_of(clients, &client->peer);

        next = TAILQ_NEXT(client, entry);
        if (seen == 0) {
            cut(client);
            any_left = true;
        } else if (count > most) {
            most = count;
            found = client;
        }
    }
    if (!any_left && found != NULL)
        cut(found);
    return any_left || found != NULL;
}

void serve_client_asks(struct serve_client *client)
{
    struct serve_clients *clients = client->clients;

    if (client->is_local || client->has_asked)
        return;
    client->has_asked = true;
    clients->silent_count--;
    clients->asked_count++;
    clients->asked++;
}

static void free_client(struct serve_client *client)
{
    struct serve_clients *clients = client->clients;

    unqueue(client);
    clients->local_count -= client->is_local;
    clients->asked_count -= client->has_asked;
    clients->silent_count -= !client->is_local && !client->has_asked;
    free(client);
    clients->on_left(clients->arg);
}

union address {
    struct sockaddr_storage any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* The address of the other side. A host has the whole lower half of an IPv6 network. */
static struct in6_addr peer_of(int fd)
{
    union address peer = {.any = {0}};
    struct in6_addr host = IN6ADDR_ANY_INIT;
    socklen_t size = sizeof peer;

    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0)
        return host;
    if (peer.any.ss_family == AF_INET)
        memcpy(&host.s6_addr[12], &peer.v4.sin_addr, sizeof peer.v4.sin_addr);
    else if (IN6_IS_ADDR_V4MAPPED(&peer.v6.sin6_addr))
        host = peer.v6.sin6_addr;
    else
        memcpy(&host, &peer.v6.sin6_addr, sizeof host / 2);
    return host;
}

/* Whether the client connected to a loopback address of this machine. */
static bool is_at_loopback(int fd)
{
    union address own = {.any = {0}};
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
    if (!is_local)
        client->peer = peer_of(fd);
    clients->local_count += is_local;
    clients->silent_count += !is_local;
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
