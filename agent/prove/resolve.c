#include "prove/resolve.h"

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { HOST_BYTES = 256, PORT_BYTES = 8 };

/* What the worker's thread has to itself. */
struct lookup {
    char host[HOST_BYTES], port[PORT_BYTES];
    struct resolved resolved;
};

struct resolve {
    struct slot slot;
    struct slot *work;
    struct lookup *lookup; /* the worker's */
    sd_event_source *limit;
    struct resolved *resolved;
};

static void destroy_resolve(struct slot *slot)
{
    struct resolve *resolve = (struct resolve *)slot;

    slot_drop(resolve->work);
    sd_event_source_disable_unref(resolve->limit);
    slot_close(&resolve->slot);
    free(resolve);
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

    sd_event_source_set_enabled(resolve->limit, SD_EVENT_OFF);
    *resolve->resolved = resolve->lookup->resolved;
    slot_finish(&resolve->slot, err);
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct resolve *resolve = arg;
    struct err err;

    (void)source;
    (void)now_us;
    resolve->work = slot_drop(resolve->work);
    err_set(&err, ERR_CONSUMER, "the name servers do not answer");
    slot_finish(&resolve->slot, &err);
    return 0;
}

static bool start_lookup(struct resolve *resolve, sd_event *loop, struct workers *workers,
                         const struct tls_target *target, uint64_t limit_us, struct err *err)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    int r;

    if (lookup == NULL)
        return err_memory(err);
    snprintf(lookup->host, sizeof lookup->host, "%s", target->host);
    snprintf(lookup->port, sizeof lookup->port, "%s", target->port);
    resolve->lookup = lookup;
    resolve->work =
        worker_start(workers, WORK_NEXT, run_lookup, lookup, free, on_looked_up, resolve, err);
    if (resolve->work == NULL)
        return false;
    r = sd_event_add_time_relative(loop, &resolve->limit, CLOCK_BOOTTIME, limit_us, 0, on_limit,
                                   resolve);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_description(resolve->limit, "resolve time limit");
    return true;
}

/* Whether it was known without asking anybody. */
static bool know(const struct tls_target *target, struct resolved *ret_resolved)
{
    struct sockaddr_un *local = (struct sockaddr_un *)&ret_resolved->items[0].address;
    struct err err;

    *ret_resolved = (struct resolved){0};
    if (target->socket == NULL)
        return look_up(target->host, target->port, AI_NUMERICHOST, ret_resolved, &err);
    local->sun_family = AF_UNIX;
    snprintf(local->sun_path, sizeof local->sun_path, "%s", target->socket);
    ret_resolved->items[0].length = sizeof *local;
    ret_resolved->count = 1;
    return true;
}

struct slot *resolve_start(sd_event *loop, struct workers *workers, const struct tls_target *target,
                           uint64_t limit_us, struct resolved *ret_resolved, slot_done *on_done,
                           void *arg, struct err *err)
{
    struct resolve *resolve = calloc(1, sizeof *resolve);

    if (resolve == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&resolve->slot, loop, destroy_resolve, on_done, arg, err)) {
        free(resolve);
        return NULL;
    }
    resolve->resolved = ret_resolved;
    if (know(target, ret_resolved)) {
        slot_finish(&resolve->slot, NULL);
        return &resolve->slot;
    }
    if (start_lookup(resolve, loop, workers, target, limit_us, err))
        return &resolve->slot;
    destroy_resolve(&resolve->slot);
    return NULL;
}
