#include "app/serve.h"

#include "base/cleanup.h"
#include "base/event.h"

#include <microhttpd.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTION_MOST_BYTES = 16 * 1024, /* the head of a request, and the buffer of a reply */
    IDLE_MOST_S = 10,
    CLIENTS_PER_SECOND = 100,
    STOP_TURNS = 4 /* for replies that are not sent yet */
};

struct serve {
    sd_event *loop;
    struct workers *workers;
    const struct serve_route *routes;
    void *arg;
    char *path; /* of the socket */
    int listen_fd;
    sd_event_source *listener, *server, *timer;
    struct slot *loading;
    struct MHD_Daemon *daemon; /* NULL: no client has connected yet */
    bool told;                 /* it was logged that the library cannot be loaded */
};

struct serve_request {
    struct serve *serve;
    struct MHD_Connection *connection;
    enum { REQUEST_READ, REQUEST_ASKED, REQUEST_WAITING, REQUEST_ANSWERED } progress;
    bool has_body;
    unsigned status;
    char *text; /* NULL: there was no memory for it */
};

/* -- the library ----------------------------------------------------------------------------------
 */

#define FUNCTIONS(use)                                                                             \
    use(MHD_start_daemon) use(MHD_stop_daemon) use(MHD_run) use(MHD_get_timeout)                   \
        use(MHD_get_daemon_info) use(MHD_add_connection) use(MHD_get_connection_info)              \
            use(MHD_suspend_connection) use(MHD_resume_connection)                                 \
                use(MHD_lookup_connection_value) use(MHD_create_response_from_buffer)              \
                    use(MHD_add_response_header) use(MHD_queue_response) use(MHD_destroy_response)

#define MEMBER(name) __typeof__(name) *name;
#define SYMBOL(name) {#name, offsetof(struct library, name)},

/* Written by the worker that loads the library, read by the loop afterwards. */
static struct library {
    FUNCTIONS(MEMBER)
} library;

static const struct symbol {
    const char *name;
    size_t offset;
} symbols[] = {FUNCTIONS(SYMBOL)};

/* Never unloaded. */
static bool load(void *job, struct err *err)
{
    void *handle = dlopen(LEAFD_MICROHTTPD, RTLD_NOW | RTLD_LOCAL);

    (void)job;
    if (handle == NULL)
        return err_set(err, ERR_LOCAL, "%s", dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = dlsym(handle, symbols[i].name);

        if (found == NULL)
            return err_set(err, ERR_LOCAL, "%s has no %s", LEAFD_MICROHTTPD, symbols[i].name);
        memcpy((char *)&library + symbols[i].offset, &found, sizeof found);
    }
    return true;
}

/* -- requests -------------------------------------------------------------------------------------
 */

static void free_request(struct serve_request *request)
{
    free(request->text);
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

static void refuse(struct serve_request *request, unsigned status, const char *why)
{
    serve_answer(request, status, json_pack("{s:s}", "error", why));
}

static bool is_local(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        library.MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;

    return info != NULL &&
           getsockopt(info->connect_fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           domain == AF_UNIX;
}

static void ask(struct serve_request *request, const char *method, const char *path)
{
    const struct serve_route *route = request->serve->routes;
    bool is_known = false;

    for (; route->path != NULL; route++) {
        bool is_path = strcmp(route->path, path) == 0;

        is_known |= is_path;
        if (is_path && strcmp(route->method, method) == 0)
            break;
    }
    request->progress = REQUEST_ASKED;
    if (route->path == NULL)
        refuse(request, is_known ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
               is_known ? "this method is not allowed" : "there is no such path");
    else if (request->has_body)
        refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "a request has no body");
    else if (route->changes && !is_local(request->connection))
        refuse(request, MHD_HTTP_FORBIDDEN, "only over the Unix socket");
    else
        route->handle(request->serve->arg, request);
}

static enum MHD_Result reply(struct serve_request *request)
{
    static const char nothing[] = "{}";
    char *text = request->text == NULL ? (char *)nothing : TAKE(request->text);
    bool is_ours = text == nothing;
    struct MHD_Response *response = library.MHD_create_response_from_buffer(
        strlen(text), text, is_ours ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    enum MHD_Result queued;

    if (response == NULL) {
        if (!is_ours)
            free(text);
        return MHD_NO;
    }
    library.MHD_add_response_header(response, "Content-Type", "application/json");
    library.MHD_add_response_header(response, "Connection", "close");
    queued = library.MHD_queue_response(request->connection, request->status, response);
    library.MHD_destroy_response(response);
    return queued;
}

/* libmicrohttpd calls it for the head, for each part of a body, at its end, and again after the
 * reply. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *part,
                                  size_t *part_bytes, void **state)
{
    struct serve_request *request = *state;

    (void)version;
    (void)part;
    if (request == NULL) {
        request = calloc(1, sizeof *request);
        if (request == NULL)
            return MHD_NO;
        request->serve = arg;
        request->connection = connection;
        *state = request;
        return MHD_YES;
    }
    if (*part_bytes > 0) {
        request->has_body = true;
        *part_bytes = 0;
        return MHD_YES;
    }
    if (request->progress == REQUEST_READ)
        ask(request, method, path);
    if (request->progress == REQUEST_ANSWERED)
        return reply(request);
    request->progress = REQUEST_WAITING;
    library.MHD_suspend_connection(connection);
    return MHD_YES;
}

const char *serve_query(const struct serve_request *request, const char *name)
{
    return library.MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

void serve_answer(struct serve_request *request, unsigned status, json_t *body)
{
    bool waits = request->progress == REQUEST_WAITING;

    request->status = body == NULL ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
    request->text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    request->progress = REQUEST_ANSWERED;
    if (!waits)
        return;
    /* Without threads of its own libmicrohttpd does not wake the loop; the reply may be given
     * within that call. */
    library.MHD_resume_connection(request->connection);
    sd_event_source_set_time_relative(request->serve->timer, 0);
    sd_event_source_set_enabled(request->serve->timer, SD_EVENT_ONESHOT);
}

/* -- the server in the loop -----------------------------------------------------------------------
 */

static void run(struct serve *serve)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    library.MHD_run(serve->daemon);
    if (library.MHD_get_timeout(serve->daemon, &wait_ms) == MHD_YES) {
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

    serve->daemon = library.MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, serve, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVE_CONNECTIONS_MOST,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MOST_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_MOST_S, MHD_OPTION_END);
    if (serve->daemon != NULL)
        info = library.MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return err_set(err, ERR_LOCAL, "libmicrohttpd cannot be started");
    r = sd_event_add_io(serve->loop, &serve->server, info->epoll_fd, EPOLLIN, on_server, serve);
    /* Its accuracy is a microsecond: by default sd-event delays it by up to a quarter of a second.
     */
    if (r >= 0)
        r = sd_event_add_time_relative(serve->loop, &serve->timer, CLOCK_BOOTTIME, 0, 1, on_timer,
                                       serve);
    return r >= 0 || err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
}

static void stop(struct serve *serve)
{
    for (unsigned i = 0; serve->daemon != NULL && i < STOP_TURNS; i++)
        library.MHD_run(serve->daemon);
    serve->server = sd_event_source_disable_unref(serve->server);
    serve->timer = sd_event_source_disable_unref(serve->timer);
    if (serve->daemon != NULL)
        library.MHD_stop_daemon(serve->daemon);
    serve->daemon = NULL;
}

static void free_nothing(void *job)
{
    (void)job;
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
        event_emit(
            &(struct event){.kind = EVENT_CONTROL_FAILED},
            "commands at %s get no reply: %s; install libmicrohttpd (Debian: libmicrohttpd12)",
            serve->path, err.text);
    serve->told = serve->daemon == NULL;
    if (serve->daemon == NULL)
        close(accept4(serve->listen_fd, NULL, NULL, SOCK_CLOEXEC));
    sd_event_source_set_enabled(serve->listener, SD_EVENT_ON);
}

static void take_connection(struct serve *serve, int fd)
{
    const struct sockaddr address = {.sa_family = AF_UNIX};
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        (peer.uid != 0 && peer.uid != geteuid())) {
        event_emit(&(struct event){.kind = EVENT_DETAIL}, "refused a client of uid %u at %s",
                   (unsigned)peer.uid, serve->path);
        close(fd);
        return;
    }
    /* Closes the descriptor even if it fails. */
    library.MHD_add_connection(serve->daemon, fd, &address, sizeof address);
    run(serve);
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct serve *serve = arg;
    struct err err;
    int client_fd;

    (void)events;
    if (serve->daemon == NULL) {
        const struct lane_key lane = lane_of(LEAFD_MICROHTTPD);

        serve->loading = worker_start_in(serve->workers, &lane, WORK_NEXT, load, NULL, free_nothing,
                                         on_loaded, serve, &err);
        sd_event_source_set_enabled(source, serve->loading == NULL ? SD_EVENT_ON : SD_EVENT_OFF);
        if (serve->loading != NULL)
            return 0;
    }
    client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client_fd >= 0 && serve->daemon != NULL)
        take_connection(serve, client_fd);
    else if (client_fd >= 0)
        close(client_fd);
    return 0;
}

/* -- from the start to the end --------------------------------------------------------------------
 */

bool serve_open(sd_event *loop, struct workers *workers, const struct serve_route *routes,
                void *arg, struct serve **ret_serve, struct err *err)
{
    struct serve *serve = calloc(1, sizeof *serve);

    if (serve == NULL)
        return err_memory(err);
    serve->loop = loop;
    serve->workers = workers;
    serve->routes = routes;
    serve->arg = arg;
    serve->listen_fd = -1;
    *ret_serve = serve;
    return true;
}

static void close_listener(struct serve *serve)
{
    serve->loading = slot_drop(serve->loading);
    serve->listener = sd_event_source_disable_unref(serve->listener);
    close_fd(&serve->listen_fd);
    free(serve->path);
    serve->path = NULL;
}

bool serve_listen(struct serve *serve, int fd, const char *path, struct err *err)
{
    int r;

    close_listener(serve);
    serve->listen_fd = fd;
    serve->path = strdup(path);
    if (serve->path == NULL) {
        close_listener(serve);
        return err_memory(err);
    }
    r = sd_event_add_io(serve->loop, &serve->listener, fd, EPOLLIN, on_client, serve);
    /* If no descriptor is free, the connection stays in the queue. */
    if (r >= 0)
        r = sd_event_source_set_ratelimit(serve->listener, 1000000, CLIENTS_PER_SECOND);
    if (r >= 0)
        return true;
    close_listener(serve);
    return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
}

void serve_close(struct serve *serve)
{
    if (serve == NULL)
        return;
    close_listener(serve);
    stop(serve);
    free(serve);
}
