/*
 * reload_turn - one certificate at a time talks to a consumer's socket
 *
 * HAProxy has one transaction for all its certificates, so that two sections that set theirs at
 * once would mix them up. Whoever starts a turn waits until those who came before at the same
 * socket have given theirs back.
 */
#ifndef LEAFD_RELOAD_RELOAD_TURN_H
#define LEAFD_RELOAD_RELOAD_TURN_H

#include "base/slot.h"

struct turn;

/* The line of those who wait, at whatever socket; initialise with {0}. Outlives every turn. */
struct reload_turns {
    struct turn *first;
};

/*
 * reload_turn_start - asks for the turn at a socket
 *
 * Borrows `turns`, and `socket`, its path, as long as the slot lives. on_done runs, without error,
 * when it is granted. The slot is the turn: dropping it gives it back. Whoever waits for one must
 * hold no other. NULL with *err filled if memory ran out.
 */
struct slot *reload_turn_start(struct reload_turns *turns, sd_event *loop, const char *socket,
                               slot_done *on_done, void *arg, struct err *err);

#endif
