/*
 * serve - the HTTP server of a running agent: libmicrohttpd in the event loop
 *
 * Tables of routes list the requests. Clients come by a Unix socket, or by TCP. Those by TCP are
 * not known: they only read, their number, the size of a request and its time are limited, and they
 * take no place of a client at the Unix socket. Where such a client connects to a loopback address,
 * the Host of its request must be an address or localhost: a web page that had its own name resolve
 * to this machine (DNS rebinding) would otherwise read for its author. The library is loaded when
 * the first client connects.
 */
#ifndef LEAFD_APP_SERVE_H
#define LEAFD_APP_SERVE_H

#include "app/serve_text.h"
#include "base/worker.h"

#include <jansson.h>
#include <systemd/sd-event.h>

#include <stdbool.h>

enum {
    SERVE_CONNECTIONS_MOST = 32, /* at the Unix socket, as many by TCP, and as many more by TCP that
                                    have not sent their request */
    SERVE_CONNECTIONS_ALL = 3 * SERVE_CONNECTIONS_MOST,
    SERVE_BODY_MOST_BYTES = 256 * 1024
};

struct serve;
struct serve_socket;  /* a listening socket */
struct serve_request; /* a request that waits for its reply */

/* Handles a request and calls serve_answer or serve_reply, now or later. */
typedef void serve_handler(void *arg, struct serve_request *request);

struct serve_route {
    const char *method, *path; /* GET stands for HEAD as well */
    bool changes; /* only for clients at a Unix socket: it changes something, or is not shared */
    bool takes_body;
    serve_handler *handle;
};

/* Routes of one owner; `routes` ends with {0}. */
struct serve_table {
    const struct serve_route *routes;
    void *arg;
    struct serve_table *next; /* serve's own */
};

/*
 * serve_open - a server without a socket
 *
 * Borrows the arguments. Loads and starts nothing yet. Fails with class local.
 */
bool serve_open(sd_event *loop, struct workers *workers, struct serve **ret_serve, struct err *err);

/* serve_add - adds routes; borrows the table for the life of the server */
void serve_add(struct serve *serve, struct serve_table *table);

/*
 * serve_listen - serves the clients of a listening socket; NULL with *err filled, class local
 *
 * Takes `fd` in any case; it is non-blocking. At a Unix socket only root and this process's user
 * are served; other connections are closed at once.
 */
struct serve_socket *serve_listen(struct serve *serve, int fd, struct err *err);

/* serve_unlisten - closes a listening socket, its clients stay; NULL is fine; returns NULL */
struct serve_socket *serve_unlisten(struct serve_socket *socket);

/*
 * serve_answer - replies with an HTTP status and a JSON object, and frees the request; call it once
 *
 * Takes the reference of `body`; NULL means that memory ran out for it.
 */
void serve_answer(struct serve_request *request, unsigned status, json_t *body);

/* serve_refuse - the same with an object whose "error" is `why` */
void serve_refuse(struct serve_request *request, unsigned status, const char *why);

/* serve_reply - the same with a text, of which it takes a reference of its own */
void serve_reply(struct serve_request *request, struct serve_text *text);

/* serve_refresh - has a browser ask again after so many seconds */
void serve_refresh(struct serve_request *request, unsigned after_s);

/* serve_query - the value of that name in the request's query, as /path?name=value; NULL: none.
 * Belongs to the request */
const char *serve_query(const struct serve_request *request, const char *name);

/* serve_path - the path of the request; belongs to it */
const char *serve_path(const struct serve_request *request);

/* serve_body - the body that a client at a Unix socket has sent; NULL: none. Belongs to the
 * request */
const char *serve_body(const struct serve_request *request);

/* serve_header - the value of that header of the request; likewise */
const char *serve_header(const struct serve_request *request, const char *name);

/* serve_close - stops and frees the server, with the sockets that are still open; every request has
 * been answered before. NULL is fine */
void serve_close(struct serve *serve);

#endif
