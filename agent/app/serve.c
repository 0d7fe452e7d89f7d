#include "app/serve.h"

#include "app/microhttpd.h"
#include "app/serve_client.h"
#include "base/cleanup.h"
#include "base/event.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTION_MOST_BYTES = 16 * 1024, /* the head of a request, and the buffer of a reply */
    IDLE_MOST_S = 10,
    LOCAL_PER_SECOND = 100,
    SPELL_US = 100000,      /* what follows is counted so long: nobody waits longer for others */
    REMOTE_PER_SPELL = 25,  /* requests */
    SILENT_PER_REQUEST = 8, /* connections without a request, taken in place of one */
    TURNS_PER_SPELL = 200,  /* of the library: a client may send its request byte by byte */
    STOP_TURNS = 4          /* for replies that are not sent yet */
};

struct serve_socket {
    struct serve *serve;
    struct serve_socket *next;
    int fd;
    bool is_local;
    sd_event_source *source;
};

struct serve {
    sd_event *loop;
    struct workers *workers;
    struct serve_table *tables;
    struct serve_socket *sockets;
    struct serve_socket *woken; /* whose client made the library be loaded */
    sd_event_source *server, *timer;
    struct slot *loading;
    struct MHD_Daemon *daemon; /* NULL: no client has connected yet */
    struct serve_clients clients;
    bool told; /* it was logged that the library cannot be loaded */
};

struct serve_request {
    struct serve *serve;
    struct MHD_Connection *connection;
    enum { REQUEST_READ, REQUEST_ASKED, REQUEST_WAITING, REQUEST_ANSWERED } progress;
    const char *path;
    struct bytes body;
    bool has_body, is_too_long;
    unsigned refresh_s;      /* 0: none */
    const char *allow;       /* the method of the path, for a request with another one */
    struct serve_text *text; /* NULL: there was no memory for it */
};

/* -- requests -------------------------------------------------------------------------------------
 */

static void free_request(struct serve_request *request)
{
    bytes_free(&request->body);
    serve_text_unref(request->text);
    free(request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    (void)arg;
    (void)connection;
    (void)how;
    if (*state != NULL)
        free_request(*state);
    *state = NULL;
}

/* Whether the Host of a request is an address, or a name that no other name server can give away
 * (RFC 6761 section 6.3). */
static bool is_own_name(const char *host)
{
    char name[INET6_ADDRSTRLEN + sizeof "localhost"];
    unsigned char address[sizeof(struct in6_addr)];
    size_t length = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");

    if (length >= sizeof name)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)length, host);
    if (name[0] == '[')
        return inet_pton(AF_INET6, name + 1, address) == 1;
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, address) == 1;
}

/* HTTP/1.0 has no Host, and no browser speaks it. */
static bool is_rebound(const struct serve_request *request, const struct serve_client *client)
{
    const char *host = serve_header(request, "Host");

    return client->is_loopback && host != NULL && !is_own_name(host);
}

static const struct serve_route *find_route(struct serve_request *request, const char *method,
                                            const char *path, void **ret_arg)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const struct serve_table *table = request->serve->tables;

    for (; table != NULL; table = table->next)
        for (const struct serve_route *route = table->routes; route->path != NULL; route++) {
            if (strcmp(route->path, path) != 0)
                continue;
            *ret_arg = table->arg;
            if (strcmp(route->method, wanted) == 0)
                return route;
            request->allow = route->method;
        }
    return NULL;
}

static void ask(struct serve_request *request, const char *method, const char *path)
{
    struct serve_client *client = serve_client_of(request->connection);
    void *arg = NULL;
    const struct serve_route *route = find_route(request, method, path, &arg);

    request->progress = REQUEST_ASKED;
    request->path = path;
    serve_client_asks(client);
    if (is_rebound(request, client))
        serve_refuse(request, MHD_HTTP_FORBIDDEN,
                     "here the Host of a request is an IP address or localhost");
    else if (route == NULL)
        serve_refuse(
            request, request->allow != NULL ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
            request->allow != NULL ? "this method is not allowed" : "there is no such path");
    else if (request->is_too_long || (request->has_body && !route->takes_body))
        serve_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                     "this request has no body, or a shorter one");
    else if (route->changes && !client->is_local)
        serve_refuse(request, MHD_HTTP_FORBIDDEN, "only over the Unix socket");
    else
        route->handle(arg, request);
}

static void add_headers(const struct serve_request *request, struct MHD_Response *response,
                        const struct serve_kind *kind)
{
    const char *const headers[][2] = {
        {"Content-Type", kind->type},
        {"Content-Security-Policy",
         kind->policy != NULL ? kind->policy : "default-src 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
        {"Connection", "close"},
    };
    char refresh[16];

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        microhttpd.MHD_add_response_header(response, headers[i][0], headers[i][1]);
    if (request->refresh_s != 0) {
        snprintf(refresh, sizeof refresh, "%u", request->refresh_s);
        microhttpd.MHD_add_response_header(response, "Refresh", refresh);
    }
    if (request->allow != NULL)
        microhttpd.MHD_add_response_header(
            response, "Allow", strcmp(request->allow, "GET") == 0 ? "GET, HEAD" : request->allow);
}

static void on_sent(void *content)
{
    serve_text_unref((struct serve_text *)((char *)content - offsetof(struct serve_text, content)));
}

static enum MHD_Result reply(struct serve_request *request)
{
    static char nothing[] = "{}";
    struct serve_text *text = TAKE(request->text);
    struct MHD_Response *response =
        text == NULL ? microhttpd.MHD_create_response_from_buffer(sizeof nothing - 1, nothing,
                                                                  MHD_RESPMEM_PERSISTENT)
                     : microhttpd.MHD_create_response_from_buffer_with_free_callback(
                           text->length, text->content, on_sent);
    enum MHD_Result queued;

    if (response == NULL) {
        serve_text_unref(text);
        return MHD_NO;
    }
    add_headers(request, response, text == NULL ? &serve_json : text->kind);
    queued = microhttpd.MHD_queue_response(
        request->connection, text == NULL ? MHD_HTTP_INTERNAL_SERVER_ERROR : text->status,
        response);
    microhttpd.MHD_destroy_response(response);
    return queued;
}

/* Only of those who may ask for something is a body kept. */
static void take_part(struct serve_request *request, const char *part, size_t length)
{
    request->has_body = true;
    if (!serve_client_of(request->connection)->is_local || !bytes_add(&request->body, part, length))
        request->is_too_long = true;
}

/* libmicrohttpd calls it for the head, for each part of a body, at its end, and again after the
 * reply. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *part,
                                  size_t *part_bytes, void **state)
{
    struct serve_request *request = *state;

    (void)version;
    if (request == NULL) {
        request = calloc(1, sizeof *request);
        if (request == NULL)
            return MHD_NO;
        request->serve = arg;
        request->connection = connection;
        request->body.limit = SERVE_BODY_MOST_BYTES;
        *state = request;
        return MHD_YES;
    }
    if (*part_bytes > 0) {
        take_part(request, part, *part_bytes);
        *part_bytes = 0;
        return MHD_YES;
    }
    if (request->progress == REQUEST_READ)
        ask(request, method, path);
    if (request->progress == REQUEST_ANSWERED)
        return reply(request);
    request->progress = REQUEST_WAITING;
    microhttpd.MHD_suspend_connection(connection);
    return MHD_YES;
}

void serve_refresh(struct serve_request *request, unsigned after_s)
{
    request->refresh_s = after_s;
}

const char *serve_query(const struct serve_request *request, const char *name)
{
    return microhttpd.MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *serve_path(const struct serve_request *request)
{
    return request->path;
}

const char *serve_body(const struct serve_request *request)
{
    return request->has_body ? bytes_text(&request->body) : NULL;
}

const char *serve_header(const struct serve_request *request, const char *name)
{
    return microhttpd.MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void serve_reply(struct serve_request *request, struct serve_text *text)
{
    bool waits = request->progress == REQUEST_WAITING;

    request->text = text == NULL ? NULL : serve_text_ref(text);
    request->progress = REQUEST_ANSWERED;
    if (!waits)
        return;
    /* Without threads of its own libmicrohttpd does not wake the loop; the reply may be given
     * within that call. */
    microhttpd.MHD_resume_connection(request->connection);
    sd_event_source_set_time_relative(request->serve->timer, 0);
    sd_event_source_set_enabled(request->serve->timer, SD_EVENT_ONESHOT);
}

void serve_answer(struct serve_request *request, unsigned status, json_t *body)
{
    CLEANUP(free_memory) char *written = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    struct bytes bytes = {.limit = SIZE_MAX / 2};
    struct serve_text *text = NULL;

    if (written != NULL && bytes_add(&bytes, written, strlen(written)))
        text = serve_text_join(status, &serve_json, &bytes, 1);
    bytes_free(&bytes);
    json_decref(body);
    serve_reply(request, text);
    serve_text_unref(text);
}

void serve_refuse(struct serve_request *request, unsigned status, const char *why)
{
    serve_answer(request, status, json_pack("{s:s}", "error", why));
}

/* -- the server in the loop -----------------------------------------------------------------------
 */

static void run(struct serve *serve)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    microhttpd.MHD_run(serve->daemon);
    if (microhttpd.MHD_get_timeout(serve->daemon, &wait_ms) == MHD_YES) {
        sd_event_source_set_time_relative(serve->timer, wait_ms * 1000);
        sd_event_source_set_enabled(serve->timer, SD_EVENT_ONESHOT);
    } else {
        sd_event_source_set_enabled(serve->timer, SD_EVENT_OFF);
    }
}

static int on_server(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    (void)source;
    (void)fd;
    (void)events;
    run(arg);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    run(arg);
    return 0;
}

static bool start(struct serve *serve, struct err *err)
{
    const union MHD_DaemonInfo *info = NULL;
    int r;

    serve->daemon = microhttpd.MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, serve, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, serve_clients_notify, &serve->clients,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVE_CONNECTIONS_ALL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MOST_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_MOST_S, MHD_OPTION_END);
    if (serve->daemon != NULL)
        info = microhttpd.MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return err_set(err, ERR_LOCAL, "libmicrohttpd cannot be started");
    r = sd_event_add_io(serve->loop, &serve->server, info->epoll_fd, EPOLLIN, on_server, serve);
    if (r >= 0)
        r = sd_event_source_set_ratelimit(serve->server, SPELL_US, TURNS_PER_SPELL);
    /* Its accuracy is a microsecond: by default sd-event delays it by up to a quarter of a second.
     */
    if (r >= 0)
        r = sd_event_add_time_relative(serve->loop, &serve->timer, CLOCK_BOOTTIME, 0, 1, on_timer,
                                       serve);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    return serve_clients_open(&serve->clients, serve->loop, err);
}

static void stop(struct serve *serve)
{
    for (unsigned i = 0; serve->daemon != NULL && i < STOP_TURNS; i++)
        microhttpd.MHD_run(serve->daemon);
    serve->server = sd_event_source_disable_unref(serve->server);
    serve->timer = sd_event_source_disable_unref(serve->timer);
    if (serve->daemon != NULL)
        microhttpd.MHD_stop_daemon(serve->daemon);
    serve->daemon = NULL;
    serve_clients_close(&serve->clients);
}

static void free_nothing(void *job)
{
    (void)job;
}

static void enable_sockets(struct serve *serve, bool are_on)
{
    for (struct serve_socket *socket = serve->sockets; socket != NULL; socket = socket->next)
        sd_event_source_set_enabled(socket->source, are_on ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* A socket whose clients were too many is off. */
static void on_left(void *arg)
{
    enable_sockets(arg, true);
}

/* Clients that have connected wait until now; without the library their connections are closed. */
static void on_loaded(void *arg, const struct err *load_err)
{
    struct serve *serve = arg;
    struct err err = *load_err;

    serve->loading = slot_drop(serve->loading);
    if (err.kind == ERR_NONE && !start(serve, &err))
        stop(serve);
    if (serve->daemon == NULL && !serve->told)
        event_emit(&(struct event){.kind = EVENT_CONTROL_FAILED},
                   "commands and requests for metrics or status get no reply: %s; install "
                   "libmicrohttpd (Debian: libmicrohttpd12)",
                   err.text);
    serve->told = serve->daemon == NULL;
    if (serve->daemon == NULL && serve->woken != NULL)
        close(accept4(serve->woken->fd, NULL, NULL, SOCK_CLOEXEC));
    serve->woken = NULL;
    enable_sockets(serve, true);
}

/* Loads the library; false if not even that could be started. */
static bool begin_load(struct serve_socket *socket)
{
    const struct lane_key lane = lane_of(LEAFD_MICROHTTPD);
    struct serve *serve = socket->serve;
    struct err err;

    serve->loading = worker_start_in(serve->workers, &lane, WORK_NEXT, microhttpd_load, NULL,
                                     free_nothing, on_loaded, serve, &err);
    if (serve->loading == NULL)
        return false;
    serve->woken = socket;
    enable_sockets(serve, false);
    return true;
}

static bool is_permitted(int fd)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
        (peer.uid == 0 || peer.uid == geteuid()))
        return true;
    event_emit(&(struct event){.kind = EVENT_DETAIL},
               "refused a client of uid %u at the control socket", (unsigned)peer.uid);
    return false;
}

/* Takes a client; false if none waits, or it has a request: others of its kind have their turn. */
static bool take_client(struct serve_socket *socket)
{
    struct serve *serve = socket->serve;
    uint64_t asked = serve->clients.asked;
    int fd;

    /* A client may wait until one of many has ended. */
    if (serve_clients_are_full(&serve->clients, socket->is_local)) {
        sd_event_source_set_enabled(socket->source, SD_EVENT_OFF);
        return false;
    }
    fd = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return false;
    if (serve->daemon == NULL || (socket->is_local && !is_permitted(fd))) {
        close(fd);
        return false;
    }
    serve_clients_add(&serve->clients, serve->daemon, fd, socket->is_local);
    run(serve);
    /* The library closes those that were cut in its next turn. */
    if (serve_clients_shed(&serve->clients))
        run(serve);
    return !socket->is_local && serve->clients.asked == asked;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct serve_socket *socket = arg;
    unsigned taken = 0;

    (void)source;
    (void)fd;
    (void)events;
    if (socket->serve->daemon == NULL && begin_load(socket))
        return 0;
    while (take_client(socket) && ++taken < SILENT_PER_REQUEST)
        ;
    return 0;
}

/* -- from the start to the end --------------------------------------------------------------------
 */

bool serve_open(sd_event *loop, struct workers *workers, struct serve **ret_serve, struct err *err)
{
    struct serve *serve = calloc(1, sizeof *serve);

    if (serve == NULL)
        return err_memory(err);
    serve->loop = loop;
    serve->workers = workers;
    serve->clients.most = SERVE_CONNECTIONS_MOST;
    serve->clients.on_left = on_left;
    serve->clients.arg = serve;
    *ret_serve = serve;
    return true;
}

void serve_add(struct serve *serve, struct serve_table *table)
{
    table->next = serve->tables;
    serve->tables = table;
}

static bool is_unix(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

struct serve_socket *serve_listen(struct serve *serve, int fd, struct err *err)
{
    struct serve_socket *socket = calloc(1, sizeof *socket);
    int r;

    if (socket == NULL) {
        close(fd);
        err_memory(err);
        return NULL;
    }
    *socket = (struct serve_socket){
        .serve = serve, .next = serve->sockets, .fd = fd, .is_local = is_unix(fd)};
    serve->sockets = socket;
    r = sd_event_add_io(serve->loop, &socket->source, fd, EPOLLIN, on_client, socket);
    /* If no descriptor is free, the connection stays in the queue. */
    if (r >= 0)
        r = socket->is_local
                ? sd_event_source_set_ratelimit(socket->source, 1000000, LOCAL_PER_SECOND)
                : sd_event_source_set_ratelimit(socket->source, SPELL_US, REMOTE_PER_SPELL);
    if (r >= 0 && serve->loading != NULL)
        r = sd_event_source_set_enabled(socket->source, SD_EVENT_OFF);
    if (r >= 0)
        return socket;
    err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    return serve_unlisten(socket);
}

struct serve_socket *serve_unlisten(struct serve_socket *socket)
{
    struct serve_socket **at;

    if (socket == NULL)
        return NULL;
    for (at = &socket->serve->sockets; *at != socket; at = &(*at)->next)
        ;
    *at = socket->next;
    if (socket->serve->woken == socket)
        socket->serve->woken = NULL;
    sd_event_source_disable_unref(socket->source);
    close_fd(&socket->fd);
    free(socket);
    return NULL;
}

void serve_close(struct serve *serve)
{
    if (serve == NULL)
        return;
    slot_drop(serve->loading);
    for (struct serve_socket *socket = serve->sockets, *next; socket != NULL; socket = next) {
        next = socket->next;
        serve_unlisten(socket);
    }
    stop(serve);
    free(serve);
}
