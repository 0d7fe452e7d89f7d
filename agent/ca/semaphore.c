#include "ca/semaphore.h"

#include <stdlib.h>

struct permit {
    struct slot slot;
    struct semaphore *permits;
    struct permit *next; /* in line, or among the granted */
    uint32_t group;
    bool granted;
};

static void take_out(struct permit **list, struct permit *permit)
{
    while (*list != NULL && *list != permit)
        list = &(*list)->next;
    if (*list != NULL)
        *list = permit->next;
}

static bool has_its_share(const struct semaphore *permits, uint32_t group)
{
    unsigned count = 0;

    for (const struct permit *permit = permits->granted; permit != NULL; permit = permit->next)
        count += permit->group == group;
    return count >= (permits->most + 1) / 2;
}

/* The first in line of a group that has less than its share; if there is none, the first. */
static struct permit *next_in_line(const struct semaphore *permits)
{
    const struct permit *last = NULL; /* of a group that has its share: lines are of few groups */

    for (struct permit *permit = permits->first; permit != NULL; permit = permit->next) {
        if (last != NULL && last->group == permit->group)
            continue;
        if (!has_its_share(permits, permit->group))
            return permit;
        last = permit;
    }
    return permits->first;
}

static void grant_free(struct semaphore *permits)
{
    while (permits->first != NULL && permits->taken < permits->most) {
        struct permit *permit = next_in_line(permits);

        take_out(&permits->first, permit);
        permit->next = permits->granted;
        permits->granted = permit;
        permits->taken++;
        permit->granted = true;
        slot_finish(&permit->slot, NULL);
    }
}

static void destroy_permit(struct slot *slot)
{
    struct permit *permit = (struct permit *)slot;
    struct semaphore *permits = permit->permits;

    permits->taken -= permit->granted;
    take_out(permit->granted ? &permits->granted : &permits->first, permit);
    slot_close(&permit->slot);
    free(permit);
    grant_free(permits);
}

struct slot *semaphore_acquire(struct semaphore *permits, uint32_t group, slot_done *on_done,
                               void *arg, struct err *err)
{
    struct permit *permit = calloc(1, sizeof *permit);
    struct permit **end = &permits->first;

    if (permit == NULL) {
        err_memory(err);
        return NULL;
    }
    permit->permits = permits;
    permit->group = group;
    if (!slot_open(&permit->slot, permits->loop, destroy_permit, on_done, arg, err)) {
        free(permit);
        return NULL;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = permit;
    grant_free(permits);
    return &permit->slot;
}
