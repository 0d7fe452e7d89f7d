#include "flow/permits.h"

#include <stdlib.h>

struct permit {
    struct slot slot;
    struct permits *permits;
    struct permit *next;
    bool granted;
};

static void grant_free(struct permits *permits)
{
    while (permits->first != NULL && permits->taken < permits->most) {
        struct permit *permit = permits->first;

        permits->first = permit->next;
        permits->taken++;
        permit->granted = true;
        slot_finish(&permit->slot, NULL);
    }
}

static void destroy_permit(struct slot *slot)
{
    struct permit *permit = (struct permit *)slot;
    struct permits *permits = permit->permits;

    if (permit->granted) {
        permits->taken--;
    } else {
        struct permit **at = &permits->first;

        while (*at != NULL && *at != permit)
            at = &(*at)->next;
        if (*at != NULL)
            *at = permit->next;
    }
    slot_close(&permit->slot);
    free(permit);
    grant_free(permits);
}

struct slot *permit_start(struct permits *permits, slot_done *on_done, void *arg, struct err *err)
{
    struct permit *permit = calloc(1, sizeof *permit);
    struct permit **end = &permits->first;

    if (permit == NULL) {
        err_memory(err);
        return NULL;
    }
    permit->permits = permits;
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
