/*
 * serve - the HTTP server of a running agent: libmicrohttpd in the event loop
 *
 * A table of routes lists the requests. Requests that change something are accepted only over a
 * Unix socket. Connections, request sizes and the time of a client are limited. The library is
 * loaded when the first client connects: it loads GnuTLS, which costs memory and delays the first
 * certificate.
 */
#ifndef LEAFD_APP_SERVE_H
#define LEAFD_APP_SERVE_H

#include "base/worker.h"

#include <jansson.h>
#include <systemd/sd-event.h>

#include <stdbool.h>

enum { SERVE_CONNECTIONS_MOST = 32 };

struct serve;
struct serve_request; /* a request that waits for its reply */

/* Handles a request and calls serve_answer, now or later. */
typedef void serve_handler(void *arg, struct serve_request *request);

struct serve_route {
    const char *method, *path;
    bool changes; /* the request changes something: only for clients at a Unix socket */
    serve_handler *handle;
};

/*
 * serve_open - a server without a socket
 *
 * Borrows all arguments; `routes` ends with {0}. Loads and starts nothing yet. Fails with class
 * local.
 */
bool serve_open(sd_event *loop, struct workers *workers, const struct serve_route *routes,
                void *arg, struct serve **ret_serve, struct err *err);

/*
 * serve_listen - serves the clients of a listening Unix socket; `path` is its name in texts
 *
 * Takes `fd`, which is non-blocking, closes the previous one, and copies `path`. Only root and this
 * process's user are served; other connections are closed at once. Fails with class local.
 */
bool serve_listen(struct serve *serve, int fd, const char *path, struct err *err);

/*
 * serve_answer - replies with an HTTP status and a JSON object, and frees the request; call it once
 *
 * Takes the reference of `body`; NULL means that memory ran out for it.
 */
void serve_answer(struct serve_request *request, unsigned status, json_t *body);

/* serve_query - the value of that name in the request's query, as /path?name=value; NULL: none.
 * Belongs to the request */
const char *serve_query(const struct serve_request *request, const char *name);

/* serve_close - stops and frees the server; every request has been answered before. NULL is fine */
void serve_close(struct serve *serve);

#endif
