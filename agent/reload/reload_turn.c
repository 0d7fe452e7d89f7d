#include "reload/reload_turn.h"

#include <stdlib.h>
#include <string.h>

struct turn {
    struct slot slot;
    struct reload_turns *turns;
    const char *socket;
    struct turn *next; /* who came later, at whatever socket */
};

static struct turn *find_turn(const struct reload_turns *turns, const char *socket)
{
    struct turn *turn = turns->first;

    while (turn != NULL && strcmp(turn->socket, socket) != 0)
        turn = turn->next;
    return turn;
}

static void destroy_turn(struct slot *slot)
{
    struct turn *turn = (struct turn *)slot, *heir, **at = &turn->turns->first;
    bool granted = find_turn(turn->turns, turn->socket) == turn;

    while (*at != NULL && *at != turn)
        at = &(*at)->next;
    if (*at != NULL)
        *at = turn->next;
    heir = find_turn(turn->turns, turn->socket);
    if (granted && heir != NULL)
        slot_finish(&heir->slot, NULL);
    slot_close(&turn->slot);
    free(turn);
}

struct slot *reload_turn_start(struct reload_turns *turns, sd_event *loop, const char *socket,
                               slot_done *on_done, void *arg, struct err *err)
{
    struct turn *turn = calloc(1, sizeof *turn), **at = &turns->first;

    if (turn == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&turn->slot, loop, destroy_turn, on_done, arg, err)) {
        free(turn);
        return NULL;
    }
    turn->turns = turns;
    turn->socket = socket;
    while (*at != NULL)
        at = &(*at)->next;
    *at = turn;
    if (find_turn(turns, socket) == turn)
        slot_finish(&turn->slot, NULL);
    return &turn->slot;
}
