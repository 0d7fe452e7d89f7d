/*
 * serve - the HTTP server of a running agent: libmicrohttpd in the event loop
 *
 * What it answers stands in a table of routes. Requests that change something are answered over a
 * Unix socket alone. Connections, the sizes of requests and the time that a client takes are
 * limited. The library is loaded when the first client connects: it brings GnuTLS along, for which
 * an agent that nobody asks has no use, and a certificate that is wanted no time.
 */
#ifndef LEAFD_APP_SERVE_H
#define LEAFD_APP_SERVE_H

#include "base/worker.h"

#include <jansson.h>
#include <systemd/sd-event.h>

#include <stdbool.h>

enum { SERVE_CONNECTIONS_MOST = 32 };

struct serve;
struct serve_request; /* one that waits for its answer */

/* Answers a request, now or later, by serve_answer. */
typedef void serve_handler(void *arg, struct serve_request *request);

struct serve_route {
    const char *method, *path;
    bool changes; /* something: for clients at a Unix socket */
    serve_handler *handle;
};

/*
 * serve_open - a server without a socket
 *
 * Borrows all of it; `routes` ends with {0}. Loads nothing and starts nothing. Fails with class
 * local.
 */
bool serve_open(sd_event *loop, struct workers *workers, const struct serve_route *routes,
                void *arg, struct serve **ret_serve, struct err *err);

/*
 * serve_listen - serves the clients of a listening Unix socket; `path` is its name in texts
 *
 * Takes `fd`, which does not block, closes the one before, and copies `path`. Clients are root and
 * this process's user; the connections of others are closed at once. Fails with class local.
 */
bool serve_listen(struct serve *serve, int fd, const char *path, struct err *err);

/*
 * serve_answer - answers a request with an HTTP status and a JSON object; once, and it is gone then
 *
 * Takes the reference of `body`; NULL is for one that there was no memory to make.
 */
void serve_answer(struct serve_request *request, unsigned status, json_t *body);

/* serve_close - ends it; every request has been answered before. NULL is fine */
void serve_close(struct serve *serve);

#endif
