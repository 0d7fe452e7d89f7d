#include "base/slot.h"

#include <errno.h>
#include <stdlib.h>

/* The number of ended slots that are delivered before the loop polls its descriptors again. */
enum { ENDS_AT_ONCE = 32 };

/* The ended slots of one loop that are not delivered yet; exists while the loop has slots. */
struct slot_queue {
    struct slot_queue *next; /* in `queues` */
    sd_event_source *later;
    unsigned users; /* open slots, and the iteration under way */
    uint64_t iteration;
    TAILQ_HEAD(ends, slot) ended;
};

static struct slot_queue *queues; /* of the one thread that runs loops */

static void leave_loop(struct slot_queue *queue)
{
    struct slot_queue **at = &queues;

    if (--queue->users > 0)
        return;
    while (*at != queue)
        at = &(*at)->next;
    *at = queue->next;
    sd_event_source_disable_unref(queue->later);
    free(queue);
}

/* Fails only if the loop's queue must grow and memory ran out. If the completion callback were
 * lost, the certificate would never continue and would expire: so the process ends, and its
 * supervisor starts it again. */
static void plan_turn(struct slot_queue *queue)
{
    if (sd_event_source_set_enabled(queue->later, SD_EVENT_ONESHOT) < 0)
        sd_event_exit(sd_event_source_get_event(queue->later), -ENOMEM);
}

static void unqueue(struct slot *slot)
{
    if (slot->has_ended)
        TAILQ_REMOVE(&slot->queue->ended, slot, entry);
    slot->has_ended = false;
}

static int on_later(sd_event_source *source, void *arg)
{
    struct slot_queue *queue = arg;
    sd_event *loop = sd_event_source_get_event(source);
    struct slot *slot;
    int code;

    queue->users++;
    queue->iteration++;
    /* Slots that end from here on are delivered in a later iteration; none are delivered once the
     * loop is to exit. */
    for (unsigned i = 0;
         i < ENDS_AT_ONCE && (slot = TAILQ_FIRST(&queue->ended)) != NULL &&
         slot->iteration < queue->iteration && sd_event_get_exit_code(loop, &code) < 0;
         i++) {
        unqueue(slot);
        /* The receiver may drop the slot: do not access it after this call. */
        slot->on_done(slot->arg, &slot->err);
    }
    if (!TAILQ_EMPTY(&queue->ended))
        plan_turn(queue);
    leave_loop(queue);
    return 0;
}

static struct slot_queue *new_queue(sd_event *loop, struct err *err)
{
    struct slot_queue *queue = calloc(1, sizeof *queue);
    int r;

    if (queue == NULL) {
        err_memory(err);
        return NULL;
    }
    r = sd_event_add_defer(loop, &queue->later, on_later, queue);
    if (r < 0) {
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
        free(queue);
        return NULL;
    }
    sd_event_source_set_enabled(queue->later, SD_EVENT_OFF);
    sd_event_source_set_description(queue->later, "slots");
    TAILQ_INIT(&queue->ended);
    queue->next = queues;
    queues = queue;
    return queue;
}

bool slot_open(struct slot *slot, sd_event *loop, slot_destroy *destroy, slot_done *on_done,
               void *arg, struct err *err)
{
    struct slot_queue *queue = queues;

    while (queue != NULL && sd_event_source_get_event(queue->later) != loop)
        queue = queue->next;
    if (queue == NULL && (queue = new_queue(loop, err)) == NULL)
        return false;
    queue->users++;
    *slot = (struct slot){.queue = queue, .destroy = destroy, .on_done = on_done, .arg = arg};
    return true;
}

void *slot_new(size_t size, sd_event *loop, slot_destroy *destroy, slot_done *on_done, void *arg,
               struct err *err)
{
    struct slot *slot = calloc(1, size);

    if (slot == NULL) {
        err_memory(err);
        return NULL;
    }
    if (slot_open(slot, loop, destroy, on_done, arg, err))
        return slot;
    free(slot);
    return NULL;
}

void slot_free(struct slot *slot)
{
    slot_close(slot);
    free(slot);
}

void slot_finish(struct slot *slot, const struct err *err)
{
    if (err != NULL)
        slot->err = *err;
    else
        slot->err.kind = ERR_NONE;
    if (slot->has_ended)
        return;
    slot->has_ended = true;
    slot->iteration = slot->queue->iteration;
    TAILQ_INSERT_TAIL(&slot->queue->ended, slot, entry);
    plan_turn(slot->queue);
}

void slot_mute(struct slot *slot)
{
    unqueue(slot);
}

void slot_close(struct slot *slot)
{
    struct slot_queue *queue = slot->queue;

    if (queue == NULL)
        return;
    unqueue(slot);
    slot->queue = NULL;
    leave_loop(queue);
}

struct slot *slot_drop(struct slot *slot)
{
    if (slot != NULL)
        slot->destroy(slot);
    return NULL;
}
