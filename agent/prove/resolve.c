#include "prove/resolve.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/socket_path.h"
#include "base/timed_job.h"

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { HOST_BYTES = 256, PORT_BYTES = 8 };

/* The worker's own data. */
struct lookup {
    char host[HOST_BYTES], port[PORT_BYTES];
    struct resolved resolved;
};

struct resolve {
    struct slot slot;
    struct slot *work;
    struct lookup *lookup; /* the worker's */
    struct resolved *resolved;
};

static void destroy_resolve(struct slot *slot)
{
    slot_drop(((struct resolve *)slot)->work);
    slot_free(slot);
}

static bool look_up(const char *host, const char *port, int flags, struct resolved *ret_resolved,
                    struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(host, port, &hints, &found);

    if (r == EAI_MEMORY)
        return err_memory(err);
    if (r != 0)
        return err_set(err, ERR_CONSUMER, "cannot find the address of the host: %s",
                       gai_strerror(r));
    for (const struct addrinfo *at = found; at != NULL && ret_resolved->count < RESOLVED_MOST;
         at = at->ai_next) {
        struct resolved_address *address = &ret_resolved->items[ret_resolved->count++];

        memcpy(&address->address, at->ai_addr, at->ai_addrlen);
        address->length = at->ai_addrlen;
    }
    freeaddrinfo(found);
    return true;
}

static bool run_lookup(void *job, struct err *err)
{
    struct lookup *lookup = job;

    return look_up(lookup->host, lookup->port, 0, &lookup->resolved, err);
}

static void on_looked_up(void *arg, const struct err *err)
{
    struct resolve *resolve = arg;

    if (err->kind == ERR_NONE)
        *resolve->resolved = resolve->lookup->resolved;
    slot_finish(&resolve->slot, err);
}

static void on_opened(void *arg, const struct err *err)
{
    struct resolve *resolve = arg;
    struct resolved *resolved = resolve->resolved;
    struct sockaddr_un *local = (struct sockaddr_un *)&resolved->items[0].address;

    if (err->kind == ERR_NONE) {
        resolved->socket_fd = socket_path_take(resolve->work);
        local->sun_family = AF_UNIX;
        socket_path_write(resolved->socket_fd, local->sun_path);
        resolved->items[0].length = sizeof *local;
        resolved->count = 1;
        resolved->is_socket = true;
    }
    slot_finish(&resolve->slot, err);
}

static struct slot *start_lookup(struct resolve *resolve, const struct resolve_tools *tools,
                                 const struct tls_target *target, uint64_t limit_us,
                                 struct err *err)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    struct timed_job job = {target->host, run_lookup, lookup, free, limit_us, {.kind = ERR_NONE}};

    if (lookup == NULL) {
        err_memory(err);
        return NULL;
    }
    snprintf(lookup->host, sizeof lookup->host, "%s", target->host);
    snprintf(lookup->port, sizeof lookup->port, "%s", target->port);
    resolve->lookup = lookup;
    err_set(&job.late, ERR_CONSUMER, "the name servers do not answer");
    return timed_job_start(tools->loop, tools->lookups, &job, on_looked_up, resolve, err);
}

struct slot *resolve_start(const struct resolve_tools *tools, const struct tls_target *target,
                           uint64_t limit_us, struct resolved *ret_resolved, slot_done *on_done,
                           void *arg, struct err *err)
{
    struct resolve *resolve =
        slot_new(sizeof *resolve, tools->loop, destroy_resolve, on_done, arg, err);
    struct err unknown;

    if (resolve == NULL)
        return NULL;
    *ret_resolved = (struct resolved){0};
    resolve->resolved = ret_resolved;
    if (target->socket == NULL &&
        look_up(target->host, target->port, AI_NUMERICHOST, ret_resolved, &unknown)) {
        slot_finish(&resolve->slot, NULL);
        return &resolve->slot;
    }
    resolve->work = target->socket == NULL
                        ? start_lookup(resolve, tools, target, limit_us, err)
                        : socket_path_start(tools->loop, tools->workers, target->socket, limit_us,
                                            on_opened, resolve, err);
    if (resolve->work != NULL)
        return &resolve->slot;
    destroy_resolve(&resolve->slot);
    return NULL;
}

void resolved_close(struct resolved *resolved)
{
    if (resolved->is_socket)
        close_fd(&resolved->socket_fd);
    *resolved = (struct resolved){0};
}

const char *prove_server_name(const struct cert_config *cert)
{
    const struct text_list *names = &cert->request.names.dns;

    if (cert->prove.tls.server_name != NULL)
        return cert->prove.tls.server_name;
    for (size_t i = 0; i < names->count; i++)
        if (strchr(names->items[i], '*') == NULL)
            return names->items[i];
    return NULL;
}

uint32_t prove_group(const struct cert_config *cert)
{
    return digest_spread((const char *const[]){cert->prove.tls.label, NULL});
}
