/*
 * resolve - the addresses behind a host's name, found off the loop
 *
 * getaddrinfo(3) takes as long as the name servers like: it runs on a worker. What is an address
 * already, or a Unix socket, needs no worker.
 */
#ifndef LEAFD_PROVE_RESOLVE_H
#define LEAFD_PROVE_RESOLVE_H

#include "base/slot.h"
#include "base/worker.h"
#include "config/config.h"

#include <sys/socket.h>

enum { RESOLVED_MOST = 4 };

struct resolved_address {
    struct sockaddr_storage address;
    socklen_t length;
};

/* The first few addresses, in the order of preference (RFC 6724). */
struct resolved {
    struct resolved_address items[RESOLVED_MOST];
    size_t count;
};

/*
 * resolve_start - finds the addresses of a target
 *
 * Borrows `target` during the call only; *ret_resolved belongs to the caller and is filled when
 * on_done runs. Class consumer if there are none, or the resolver does not answer in `limit_us`;
 * class local if memory or threads ran out. NULL with *err filled if it could not start.
 */
struct slot *resolve_start(sd_event *loop, struct workers *workers, const struct tls_target *target,
                           uint64_t limit_us, struct resolved *ret_resolved, slot_done *on_done,
                           void *arg, struct err *err);

#endif
