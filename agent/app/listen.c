#include "app/listen.h"

#include "base/cleanup.h"
#include "base/event.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    QUEUE = 1024,       /* of connections that the kernel keeps until the loop takes them */
    SILENT_KEPT_S = 10, /* and of those that have sent nothing, apart */
    PAUSE_FIRST_S = 1,
    PAUSE_MOST_S = 60
};

/* An address, and its socket or the wait for the next try. */
struct place {
    struct listen *listen;
    struct place *next;
    char *label, *host; /* host: NULL for all addresses */
    uint16_t port;
    struct serve_socket *socket;
    sd_event_source *wait;
    uint64_t pause_s;
    bool is_wanted;
};

struct listen {
    sd_event *loop;
    struct serve *serve;
    struct place *places;
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* -- one socket -----------------------------------------------------------------------------------
 */

/* A socket that is bound and listens, or -1 with errno set. */
static int open_socket(const union address *address, bool is_dual)
{
    CLEANUP(close_fd)
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, only_v6 = is_dual ? 0 : 1, silent_s = SILENT_KEPT_S, kept;

    if (fd < 0)
        return -1;
    /* Connections of the previous agent that are about to end keep no port. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* A client that says nothing is not in the way of one that has sent its request. */
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silent_s, sizeof silent_s);
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    if (bind(fd, &address->any,
             address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4) == 0 &&
        listen(fd, QUEUE) == 0)
        return take_fd(&fd);
    kept = errno;
    close_fd(&fd);
    errno = kept;
    return -1;
}

/* All addresses: those of IPv4 alone where the kernel has no IPv6. */
static int open_everywhere(uint16_t port)
{
    const union address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    const union address v4 = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
    int fd = open_socket(&v6, true);

    return fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) ? open_socket(&v4, false)
                                                                       : fd;
}

static int open_place(const struct place *place)
{
    union address address = {0};

    if (place->host == NULL)
        return open_everywhere(place->port);
    address.any.sa_family = strchr(place->host, ':') == NULL ? AF_INET : AF_INET6;
    if (address.any.sa_family == AF_INET) {
        address.v4.sin_port = htons(place->port);
        inet_pton(AF_INET, place->host, &address.v4.sin_addr);
    } else {
        address.v6.sin6_port = htons(place->port);
        inet_pton(AF_INET6, place->host, &address.v6.sin6_addr);
    }
    return open_socket(&address, false);
}

/* -- tries ----------------------------------------------------------------------------------------
 */

static int on_wait(sd_event_source *source, uint64_t now_us, void *arg);

static void try_later(struct place *place, const struct err *why)
{
    bool is_first = place->pause_s == 0;
    int r = 0;

    place->pause_s = is_first ? PAUSE_FIRST_S : place->pause_s * 2;
    if (place->pause_s > PAUSE_MOST_S)
        place->pause_s = PAUSE_MOST_S;
    if (place->wait == NULL)
        r = sd_event_add_time(place->listen->loop, &place->wait, CLOCK_BOOTTIME, 0, 0, on_wait,
                              place);
    if (r >= 0)
        r = sd_event_source_set_time_relative(place->wait, place->pause_s * 1000000);
    if (r >= 0)
        sd_event_source_set_enabled(place->wait, SD_EVENT_ONESHOT);
    if (is_first)
        event_emit(&(struct event){.kind = EVENT_LISTEN_FAILED},
                   "%s; metrics and status are not served there, certificates are kept fresh all "
                   "the same; leafd tries again; set listen in [agent] to another address, or to "
                   "nothing",
                   why->text);
}

static void open_here(struct place *place)
{
    bool was_told = place->pause_s > 0;
    int fd = open_place(place);
    struct err err;

    if (fd < 0)
        err_errno(&err, ERR_LOCAL, errno, "cannot listen at %s", place->label);
    else
        place->socket = serve_listen(place->listen->serve, fd, &err);
    if (place->socket == NULL) {
        try_later(place, &err);
        return;
    }
    place->pause_s = 0;
    place->wait = sd_event_source_disable_unref(place->wait);
    event_emit(&(struct event){.kind = EVENT_LISTENING, .level = was_told ? LOG_LEVEL_NOTICE : 0},
               "metrics and status are served at %s", place->label);
}

static int on_wait(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    open_here(arg);
    return 0;
}

/* -- the places -----------------------------------------------------------------------------------
 */

static void free_place(struct place *place)
{
    serve_unlisten(place->socket);
    sd_event_source_disable_unref(place->wait);
    free(place->label);
    free(place->host);
    free(place);
}

static struct place *find_place(struct listen *listen, const char *label)
{
    struct place *place = listen->places;

    while (place != NULL && strcmp(place->label, label) != 0)
        place = place->next;
    return place;
}

static bool add_place(struct listen *listen, const struct listen_address *address)
{
    struct place *place = calloc(1, sizeof *place);

    if (place == NULL)
        return false;
    place->listen = listen;
    place->port = address->port;
    place->label = strdup(address->label);
    place->host = address->host == NULL ? NULL : strdup(address->host);
    if (place->label == NULL || (address->host != NULL && place->host == NULL)) {
        free_place(place);
        return false;
    }
    place->next = listen->places;
    listen->places = place;
    return true;
}

static void drop_unwanted(struct listen *listen)
{
    struct place **at = &listen->places;

    while (*at != NULL) {
        struct place *place = *at;

        if (place->is_wanted) {
            at = &place->next;
            continue;
        }
        *at = place->next;
        free_place(place);
    }
}

bool listen_open(sd_event *loop, struct serve *serve, struct listen **ret_listen, struct err *err)
{
    struct listen *listen = calloc(1, sizeof *listen);

    if (listen == NULL)
        return err_memory(err);
    listen->loop = loop;
    listen->serve = serve;
    *ret_listen = listen;
    return true;
}

bool listen_use(struct listen *listen, const struct listen_list *addresses, struct err *err)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (find_place(listen, addresses->items[i].label) == NULL &&
            !add_place(listen, &addresses->items[i]))
            return err_memory(err);
    for (struct place *place = listen->places; place != NULL; place = place->next)
        place->is_wanted = false;
    for (size_t i = 0; i < addresses->count; i++)
        find_place(listen, addresses->items[i].label)->is_wanted = true;
    /* First: a new address may be one that an old one covers. */
    drop_unwanted(listen);
    for (struct place *place = listen->places; place != NULL; place = place->next)
        if (place->socket == NULL)
            open_here(place);
    return true;
}

void listen_close(struct listen *listen)
{
    struct place *next;

    if (listen == NULL)
        return;
    for (struct place *place = listen->places; place != NULL; place = next) {
        next = place->next;
        free_place(place);
    }
    free(listen);
}
