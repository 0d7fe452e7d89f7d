/*
 * listen - the TCP sockets at which the agent is read: [agent] listen
 *
 * An address that cannot be had, such as a port that another program has, is one event, and is
 * tried again at growing intervals; nothing else waits for it. Another event tells when it is
 * served.
 */
#ifndef LEAFD_APP_LISTEN_H
#define LEAFD_APP_LISTEN_H

#include "app/serve.h"
#include "config/config.h"

struct listen;

/* listen_open - listens nowhere yet; borrows the arguments. Fails with class local */
bool listen_open(sd_event *loop, struct serve *serve, struct listen **ret_listen, struct err *err);

/* listen_use - listens at these addresses and at no other; one that is kept keeps its socket.
 * Fails with class local if memory ran out: then nothing has changed */
bool listen_use(struct listen *listen, const struct listen_list *addresses, struct err *err);

/* listen_close - closes the sockets and frees; NULL is fine */
void listen_close(struct listen *listen);

#endif
