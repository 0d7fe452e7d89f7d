#include "reload/reload_turn.h"

#include <stdlib.h>
#include <string.h>

struct turn {
    struct slot slot;
    const char *socket;
    struct turn *next; /* who came later, at whatever socket */
};

/* In the order of their coming. Only the loop's thread looks at it. */
static struct turn *first_turn;

static struct turn *find_turn(const char *socket)
{
    struct turn *turn = first_turn;

    while (turn != NULL && strcmp(turn->socket, socket) != 0)
        turn = turn->next;
    return turn;
}

static void destroy_turn(struct slot *slot)
{
    struct turn *turn = (struct turn *)slot, *heir, **at = &first_turn;
    bool granted = find_turn(turn->socket) == turn;

    while (*at != NULL && *at != turn)
        at = &(*at)->next;
    if (*at != NULL)
        *at = turn->next;
    heir = find_turn(turn->socket);
    if (granted && heir != NULL)
        slot_finish(&heir->slot, NULL);
    slot_close(&turn->slot);
    free(turn);
}

struct slot *reload_turn_start(sd_event *loop, const char *socket, slot_done *on_done, void *arg,
                               struct err *err)
{
    struct turn *turn = calloc(1, sizeof *turn), **at = &first_turn;

    if (turn == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&turn->slot, loop, destroy_turn, on_done, arg, err)) {
        free(turn);
        return NULL;
    }
    turn->socket = socket;
    while (*at != NULL)
        at = &(*at)->next;
    *at = turn;
    if (find_turn(socket) == turn)
        slot_finish(&turn->slot, NULL);
    return &turn->slot;
}
