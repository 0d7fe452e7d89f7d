/*
 * server - HTTP over TLS
 *
 * A thread per connection, and one lock around everything that the CA knows. A reply that is to
 * come late waits outside the lock, and no longer than the server lives.
 */
#ifndef DEVCA_SERVER_H
#define DEVCA_SERVER_H

#include "base/err.h"

#include <netinet/in.h>

struct devca;
struct server;

/* What the server shows to clients, in PEM; it lives as long as the server. */
struct server_identity {
    const char *certificate, *key;
    const char *client_ca; /* the CA whose certificates clients are asked for */
};

/* server_open - listens and answers; port 0 is any free one; NULL with class local if it cannot */
struct server *server_open(struct devca *devca, const struct sockaddr_in *address,
                           const struct server_identity *identity, struct err *err);

/* server_port - the port that it listens on */
unsigned server_port(const struct server *server);

/* server_close - ends every connection; NULL is fine */
void server_close(struct server *server);

#endif
