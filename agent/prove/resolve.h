/*
 * resolve - the addresses behind a target, found off the loop
 *
 * getaddrinfo(3) takes as long as the name servers like, and the walk to a Unix socket as long as
 * the mounts on the way: each runs on a worker. What is an address already needs no worker.
 */
#ifndef LEAFD_PROVE_RESOLVE_H
#define LEAFD_PROVE_RESOLVE_H

#include "base/worker.h"
#include "config/config.h"

#include <sys/socket.h>

enum { RESOLVED_MOST = 4 };

struct resolved_address {
    struct sockaddr_storage address;
    socklen_t length;
};

/* The first few addresses, in the order of preference (RFC 6724). Initialise with {0}. */
struct resolved {
    struct resolved_address items[RESOLVED_MOST];
    size_t count;
    bool is_socket; /* the address is a Unix socket's, which `socket_fd` holds open */
    int socket_fd;
};

/* All borrowed, during the call. */
struct resolve_tools {
    sd_event *loop;
    struct workers *lookups; /* for names: not the workers that make keys and write files */
    struct workers *workers; /* for sockets */
};

/*
 * resolve_start - finds the addresses of a target
 *
 * Borrows `tools` and `target` during the call only; *ret_resolved belongs to the caller, who ends
 * it with resolved_close, and is filled when on_done runs. Class consumer if there are none, or
 * nobody answers in `limit_us`; class local if memory or threads ran out. NULL with *err filled if
 * it could not start.
 */
struct slot *resolve_start(const struct resolve_tools *tools, const struct tls_target *target,
                           uint64_t limit_us, struct resolved *ret_resolved, slot_done *on_done,
                           void *arg, struct err *err);

/* resolved_close - forgets the addresses, and closes what a socket's holds; {0} is fine */
void resolved_close(struct resolved *resolved);

/* prove_server_name - the name that a handshake asks for; NULL: none. Borrowed from `cert` */
const char *prove_server_name(const struct cert_config *cert);

/* prove_group - whose connections wait for one another where too many are open: those to one target
 */
uint32_t prove_group(const struct cert_config *cert);

#endif
