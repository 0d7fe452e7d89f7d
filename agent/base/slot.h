/*
 * slot - the handle of an asynchronous operation
 *
 * Every stage that takes time is started by one function and ends once: `x_start(..., on_done,
 * arg)` gives a slot, and on_done runs in a later iteration of the event loop, never from within
 * the start. When on_done runs, the results are in the memory that the caller named at the start.
 * The owner of the slot drops it, in on_done or before: dropping a slot whose operation is still
 * under way cancels the operation, and on_done does not run.
 *
 * An operation embeds `struct slot` as its first member, is made by slot_new, ends with slot_finish
 * and is freed by slot_free.
 */
#ifndef LEAFD_BASE_SLOT_H
#define LEAFD_BASE_SLOT_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a stage ends: err->kind is ERR_NONE if it went well. `err` lives as long as the slot. */
typedef void slot_done(void *arg, const struct err *err);

struct slot;

/* Releases an operation and everything that it owns; ends with slot_free or slot_close. */
typedef void slot_destroy(struct slot *slot);

struct slot_queue;

struct slot {
    struct slot_queue *queue; /* of its loop */
    TAILQ_ENTRY(slot) entry;  /* in the queue, from the end of the operation until on_done */
    uint64_t iteration;       /* of the queue, in which it ended */
    bool has_ended;
    slot_destroy *destroy;
    slot_done *on_done;
    void *arg;
    struct err err;
};

/*
 * slot_new - allocates an operation of `size` zeroed bytes, whose first member is its slot
 *
 * Borrows `loop`. NULL with *err filled (class local) when memory runs out. From then on the caller
 * releases the operation with `destroy`, also when the rest of its start fails.
 */
void *slot_new(size_t size, sd_event *loop, slot_destroy *destroy, slot_done *on_done, void *arg,
               struct err *err);

/* slot_free - for an operation's destroy: frees what slot_new made */
void slot_free(struct slot *slot);

/*
 * slot_open - initialises a slot that is embedded in another object
 *
 * Borrows `loop`. Fails with class local when memory runs out; there is nothing to close then.
 */
bool slot_open(struct slot *slot, sd_event *loop, slot_destroy *destroy, slot_done *on_done,
               void *arg, struct err *err);

/* slot_finish - the operation has ended: on_done runs in a later iteration; NULL says it went well.
 * Ends the loop with -ENOMEM if there is no memory even for that. */
void slot_finish(struct slot *slot, const struct err *err);

/* slot_mute - cancels the delivery of an end */
void slot_mute(struct slot *slot);

/* slot_close - for an operation's destroy: undoes slot_open */
void slot_close(struct slot *slot);

/* slot_drop - releases the operation, cancelling it if it is under way; NULL is fine; returns NULL
 */
struct slot *slot_drop(struct slot *slot);

#endif
