#include "server.h"

#include "devca.h"
#include "must.h"
#include "request.h"
#include "routes.h"

#include "base/text.h"

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { REQUEST_MOST_BYTES = 1024 * 1024, IDLE_S = 300, NS_PER_MS = 1000000 };

struct server {
    struct devca *devca;
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock; /* around devca and `closing` */
    pthread_cond_t ended; /* told once `closing` is true */
    bool closing;
};

/* A request while it is read, and its reply. */
struct exchange {
    struct request request;
    struct reply reply;
    bool is_too_large;
};

/* -- what was asked -----------------------------------------------------------------------------
 */

static enum verb verb_of(struct MHD_Connection *connection, const char *method)
{
    static const struct {
        const char *method;
        enum verb verb;
    } verbs[] = {{"GET", VERB_READ},  {"POST", VERB_WRITE}, {"PUT", VERB_WRITE},
                 {"LIST", VERB_LIST}, {"HEAD", VERB_HEAD},  {"DELETE", VERB_DELETE}};
    const char *list = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "list");

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].method, method) == 0)
            return verbs[i].verb == VERB_READ && list != NULL && strcmp(list, "true") == 0
                       ? VERB_LIST
                       : verbs[i].verb;
    return VERB_COUNT;
}

static const char *token_of(struct MHD_Connection *connection)
{
    const char *token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Vault-Token");
    const char *other = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");

    if (token == NULL && other != NULL)
        token = text_starts(other, "Bearer ");
    return token;
}

/* The certificate that the client showed, or NULL; whether it is any good is the login's to say. */
static X509 *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const gnutls_datum_t *list;
    const unsigned char *at;
    unsigned count = 0;

    if (info == NULL)
        return NULL;
    list = gnutls_certificate_get_peers((gnutls_session_t)info->tls_session, &count);
    if (list == NULL || count == 0)
        return NULL;
    at = list[0].data;
    return d2i_X509(NULL, &at, list[0].size);
}

static struct exchange *begin(struct MHD_Connection *connection, const char *path,
                              const char *method)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    const char *token = token_of(connection);
    struct request *request;

    MUST(exchange != NULL);
    exchange->reply = (struct reply)REPLY_EMPTY;
    request = &exchange->request;
    request->content.limit = REQUEST_MOST_BYTES;
    request->method = arena_copy(&request->arena, method);
    request->path = arena_copy(&request->arena, path);
    request->token = token == NULL ? NULL : arena_copy(&request->arena, token);
    request->verb = verb_of(connection, method);
    request->client = client_of(connection);
    MUST(request->method != NULL && request->path != NULL &&
         (token == NULL || request->token != NULL));
    return exchange;
}

static void end_exchange(struct exchange *exchange)
{
    reply_free(&exchange->reply);
    json_decref(exchange->request.body);
    X509_free(exchange->request.client);
    bytes_free(&exchange->request.content);
    arena_free(&exchange->request.arena);
    free(exchange);
}

/* -- what is answered ---------------------------------------------------------------------------
 */

/* Called with the lock, which others may have meanwhile. */
static void wait_for(struct server *server, unsigned delay_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += delay_ms / 1000;
    until.tv_nsec += (long)(delay_ms % 1000) * NS_PER_MS;
    if (until.tv_nsec >= 1000L * NS_PER_MS) {
        until.tv_sec++;
        until.tv_nsec -= 1000L * NS_PER_MS;
    }
    while (!server->closing && pthread_cond_clockwait(&server->ended, &server->lock,
                                                      CLOCK_MONOTONIC, &until) != ETIMEDOUT)
        continue;
}

/* Gives the first half of the body and then breaks off. */
static ssize_t read_half(void *arg, uint64_t position, char *to, size_t room)
{
    const struct bytes *body = arg;
    size_t half = body->length / 2, left = half - (size_t)position;

    if (position >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (left > room)
        left = room;
    memcpy(to, body->data + position, left);
    return (ssize_t)left;
}

static struct MHD_Response *response_of(struct reply *reply)
{
    struct bytes *body = &reply->body;
    const char *name;
    json_t *value;
    struct MHD_Response *response =
        reply->cut ? MHD_create_response_from_callback(body->length, 4096, read_half, body, NULL)
                   : MHD_create_response_from_buffer(body->length, (void *)bytes_text(body),
                                                     MHD_RESPMEM_MUST_COPY);

    MUST(response != NULL);
    if (reply->content_type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    json_object_foreach (reply->headers, name, value)
        MHD_add_response_header(response, name, json_string_value(value));
    return response;
}

static enum MHD_Result answer(struct server *server, struct MHD_Connection *connection,
                              struct exchange *exchange)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    pthread_mutex_lock(&server->lock);
    if (exchange->is_too_large)
        reply_error(&exchange->reply, 413, "http: request body too large");
    else
        routes_answer(server->devca, &exchange->request, &exchange->reply);
    reply_settle(&exchange->reply);
    if (exchange->reply.delay_ms > 0)
        wait_for(server, exchange->reply.delay_ms);
    pthread_mutex_unlock(&server->lock);
    response = response_of(&exchange->reply);
    result = MHD_queue_response(connection, exchange->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_length, void **state)
{
    struct exchange *exchange = *state;

    (void)version;
    if (exchange == NULL) {
        *state = begin(connection, path, method);
        return MHD_YES;
    }
    if (*upload_length > 0) {
        if (!bytes_add(&exchange->request.content, upload, *upload_length))
            exchange->is_too_large = true;
        *upload_length = 0;
        return MHD_YES;
    }
    return answer(arg, connection, exchange);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    (void)arg;
    (void)connection;
    (void)why;
    if (*state != NULL)
        end_exchange(*state);
    *state = NULL;
}

/* -- the server ---------------------------------------------------------------------------------
 */

struct server *server_open(struct devca *devca, const struct sockaddr_in *address,
                           const struct server_identity *identity, struct err *err)
{
    struct server *server = calloc(1, sizeof *server);

    MUST(server != NULL && pthread_mutex_init(&server->lock, NULL) == 0 &&
         pthread_cond_init(&server->ended, NULL) == 0);
    server->devca = devca;
    errno = 0;
    server->daemon = MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
            MHD_USE_POLL,
        0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_HTTPS_MEM_CERT,
        identity->certificate, MHD_OPTION_HTTPS_MEM_KEY, identity->key, MHD_OPTION_HTTPS_MEM_TRUST,
        identity->client_ca, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
    if (server->daemon != NULL)
        return server;
    err_errno(err, ERR_LOCAL, errno, "cannot listen");
    server_close(server);
    return NULL;
}

unsigned server_port(const struct server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    server->closing = true;
    pthread_cond_broadcast(&server->ended);
    pthread_mutex_unlock(&server->lock);
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    pthread_cond_destroy(&server->ended);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
