/*
 * resolve - resolves the addresses of a target off the loop
 *
 * getaddrinfo(3) may be blocked by name servers, and the path of a Unix socket by the mounts on the
 * way, so each runs on a worker. A literal address needs no worker.
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
    bool is_socket; /* the address is a Unix socket, which `socket_fd` keeps open */
    int socket_fd;
};

/* All borrowed, during the call. */
struct resolve_tools {
    sd_event *loop;
    struct workers *lookups; /* for names; not the workers that make keys and write files */
    struct workers *workers; /* for sockets */
};

/*
 * resolve_start - resolves the addresses of a target
 *
 * Borrows `tools` and `target` during the call only; *ret_resolved belongs to the caller, who ends
 * it with resolved_close, and is filled when on_done runs. Fails with class consumer if there are
 * no addresses, or no answer within `limit_us`; with class local if memory or threads ran out. NULL
 * with *err filled if it could not start.
 */
struct slot *resolve_start(const struct resolve_tools *tools, const struct tls_target *target,
                           uint64_t limit_us, struct resolved *ret_resolved, slot_done *on_done,
                           void *arg, struct err *err);

/* resolved_close - closes the socket of the addresses, if there is one; {0} is fine */
void resolved_close(struct resolved *resolved);

/* prove_server_name - the server name (SNI) of a handshake; NULL: none. Borrowed from `cert` */
const char *prove_server_name(const struct cert_config *cert);

/* prove_group - the queue of a connection when too many are open: one for each target */
uint32_t prove_group(const struct cert_config *cert);

#endif
