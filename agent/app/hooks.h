/*
 * hooks - gives events to the operator's commands: the lines on_event
 *
 * Each line runs its command once for each event that it chose, with the event as one JSON object
 * on standard input, one event after the other. Events wait in a queue of bounded length; if it is
 * full, the oldest that is not being told is dropped. A command that fails is run again after a
 * growing wait, a few times. Nothing waits for a command, and no command waits for one of another
 * purpose: hooks have permits of their own (base/child).
 *
 * The events that report failed and dropped hooks are given to no hook.
 */
#ifndef LEAFD_APP_HOOKS_H
#define LEAFD_APP_HOOKS_H

#include "base/slot.h"
#include "base/worker.h"
#include "config/config.h"

enum {
    HOOK_QUEUE_MOST = 64, /* events of a line */
    HOOK_TRIES_MOST = 5,
    HOOKS_END_S =
        8 /* at exit; less than TimeoutStopSec of the unit and than a pod's grace period */
};

struct hooks;

/*
 * hooks_open - listens to events from now on, and starts commands
 *
 * Borrows `loop` and `workers`, takes a reference of `config`. Fails with class local; call
 * hooks_close in any case.
 */
bool hooks_open(sd_event *loop, struct workers *workers, struct config *config,
                struct hooks **ret_hooks, struct err *err);

/*
 * hooks_use - goes on with the lines of another configuration
 *
 * A line that is still there keeps its queue; the events of one that is gone are dropped, and its
 * command is killed. Fails with class local, and then has the lines that it could make.
 */
bool hooks_use(struct hooks *hooks, struct config *config, struct err *err);

/*
 * hooks_end_start - gives each waiting event one more try, at once, and ends when none waits
 *
 * Ends after HOOKS_END_S at the latest, and reports the events that were not told. NULL if none
 * waits. Events that come meanwhile are told as well.
 */
struct slot *hooks_end_start(struct hooks *hooks, slot_done *on_done, void *arg);

/* hooks_close - kills the commands and frees all; NULL is fine */
void hooks_close(struct hooks *hooks);

#endif
