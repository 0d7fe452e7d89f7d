#include "reload/reload_turn.h"

#include "base/clock.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* One who asked. */
struct turn {
    struct slot slot;
    struct batch *batch; /* NULL: it has ended */
    struct turn *next, **at;
};

/* A reload, for all who asked before it began. */
struct batch {
    char key[DIGEST_HEX_BYTES]; /* first: the tree of those that wait compares it */
    struct reload_turns *turns;
    struct reload_lane *lane;
    struct batch *next, **at; /* in the lane, while it waits */
    uint64_t apart_us;
    turn_begin *begin;
    void *job;
    void (*free_job)(void *job);
    bool has_begun; /* who asks from now on gets the next one */
    struct permit permit;
    struct slot later; /* begins it */
    struct slot *step; /* while it runs */
    struct turn *first, **end;
};

/* Lives as long as something waits or runs in it. */
struct reload_lane {
    char name[DIGEST_HEX_BYTES]; /* first, likewise */
    struct reload_turns *turns;
    sd_event *loop;
    struct batch *first, **end; /* that wait */
    struct batch *running;
    sd_event_source *pause;
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* What the tree has under the key; NULL: nothing. */
static void *find(void *const *tree, const char *key)
{
    void *node = tfind(key, tree, compare);

    return node == NULL ? NULL : *(void **)node;
}

/* -- lanes ----------------------------------------------------------------------------------------
 */

static struct reload_lane *open_lane(struct reload_turns *turns, sd_event *loop, const char *name)
{
    struct reload_lane *lane = find(&turns->lanes, name);

    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    memcpy(lane->name, name, sizeof lane->name);
    lane->turns = turns;
    lane->loop = loop;
    lane->end = &lane->first;
    if (tsearch(lane->name, &turns->lanes, compare) != NULL)
        return lane;
    free(lane);
    return NULL;
}

/* Frees a lane in which nothing waits or runs any more. */
static void leave_lane(struct reload_lane *lane)
{
    if (lane->first != NULL || lane->running != NULL)
        return;
    tdelete(lane->name, &lane->turns->lanes, compare);
    sd_event_source_disable_unref(lane->pause);
    free(lane);
}

/* -- what began a moment ago ----------------------------------------------------------------------
 */

static uint64_t next_begin_us(const struct reload_turns *turns, const char *key)
{
    uint64_t next_us = 0;

    for (size_t i = 0; i < RELOADS_REMEMBERED; i++)
        if (turns->begun[i].next_us > next_us && strcmp(turns->begun[i].key, key) == 0)
            next_us = turns->begun[i].next_us;
    return next_us;
}

static void remember_begin(struct reload_turns *turns, const struct batch *batch)
{
    struct reload_begun *begun = &turns->begun[turns->begun_next++ % RELOADS_REMEMBERED];

    memcpy(begun->key, batch->key, sizeof begun->key);
    begun->next_us = clock_boot_us() + batch->apart_us;
}

/* -- batches --------------------------------------------------------------------------------------
 */

static void advance(struct reload_lane *lane);

static int on_pause_over(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    advance(arg);
    return 0;
}

/* Whether the first of the lane has to wait for its time; without memory for that it has not. */
static bool has_to_wait(struct reload_lane *lane)
{
    uint64_t next_us = next_begin_us(lane->turns, lane->first->key);

    if (next_us <= clock_boot_us())
        return false;
    if (lane->pause == NULL)
        return sd_event_add_time(lane->loop, &lane->pause, CLOCK_BOOTTIME, next_us, 1,
                                 on_pause_over, lane) >= 0;
    return sd_event_source_set_time(lane->pause, next_us) >= 0 &&
           sd_event_source_set_enabled(lane->pause, SD_EVENT_ONESHOT) >= 0;
}

static void take_out(struct batch *batch)
{
    *batch->at = batch->next;
    if (batch->next != NULL)
        batch->next->at = batch->at;
    else
        batch->lane->end = batch->at;
}

static void on_permitted(void *arg)
{
    struct batch *batch = arg;

    slot_finish(&batch->later, NULL);
}

/* Has the first that waits begin, if the lane is free and it is time. */
static void advance(struct reload_lane *lane)
{
    struct batch *batch = lane->first;
    struct err err;

    if (batch == NULL || lane->running != NULL || has_to_wait(lane))
        return;
    take_out(batch);
    lane->running = batch;
    if (!semaphore_acquire(&lane->turns->permits, 0, on_permitted, batch, &batch->permit, &err))
        slot_finish(&batch->later, &err);
}

/* The lane has room for the next one. */
static void leave(struct batch *batch)
{
    struct reload_lane *lane = batch->lane;

    if (lane->running == batch)
        lane->running = NULL;
    else
        take_out(batch);
    if (!batch->has_begun)
        tdelete(batch->key, &batch->turns->waiting, compare);
    slot_drop(batch->step);
    semaphore_release(&batch->turns->permits, &batch->permit);
    slot_close(&batch->later);
    batch->free_job(batch->job);
    free(batch);
    advance(lane);
    leave_lane(lane);
}

static void end(struct batch *batch, const struct err *err)
{
    struct turn *next;

    for (struct turn *turn = batch->first; turn != NULL; turn = next) {
        next = turn->next;
        turn->batch = NULL;
        slot_finish(&turn->slot, err);
    }
    leave(batch);
}

static void on_step_done(void *arg, const struct err *step_err)
{
    const struct err err = *step_err;

    end(arg, &err);
}

/* In a later turn of the loop: nothing is begun while somebody drops all. */
static void begin(void *arg, const struct err *permit_err)
{
    struct batch *batch = arg;
    struct err err = *permit_err;

    tdelete(batch->key, &batch->turns->waiting, compare);
    batch->has_begun = true;
    if (batch->apart_us > 0)
        remember_begin(batch->turns, batch);
    if (err.kind == ERR_NONE)
        batch->step = batch->begin(batch->job, on_step_done, batch, &err);
    if (batch->step == NULL)
        end(batch, &err);
}

static struct batch *new_batch(struct reload_turns *turns, sd_event *loop,
                               const struct turn_order *order, struct err *err)
{
    struct batch *batch = calloc(1, sizeof *batch);

    if (batch == NULL) {
        err_memory(err);
        return NULL;
    }
    memcpy(batch->key, order->key, sizeof batch->key);
    batch->turns = turns;
    batch->apart_us = order->apart_us;
    batch->begin = order->begin;
    batch->job = order->job;
    batch->free_job = order->free_job;
    batch->end = &batch->first;
    if (!slot_open(&batch->later, loop, NULL, begin, batch, err)) {
        free(batch);
        return NULL;
    }
    if (tsearch(batch->key, &turns->waiting, compare) != NULL)
        return batch;
    err_memory(err);
    slot_close(&batch->later);
    free(batch);
    return NULL;
}

/* Takes the job if it goes well. */
static struct batch *open_batch(struct reload_turns *turns, sd_event *loop,
                                const struct turn_order *order, struct err *err)
{
    struct reload_lane *lane = open_lane(turns, loop, order->lane);
    struct batch *batch;

    if (lane == NULL) {
        err_memory(err);
        return NULL;
    }
    batch = new_batch(turns, loop, order, err);
    if (batch == NULL) {
        leave_lane(lane);
        return NULL;
    }
    batch->lane = lane;
    batch->at = lane->end;
    *lane->end = batch;
    lane->end = &batch->next;
    advance(lane);
    return batch;
}

/* -- those who ask --------------------------------------------------------------------------------
 */

static void destroy_turn(struct slot *slot)
{
    struct turn *turn = (struct turn *)slot;
    struct batch *batch = turn->batch;

    if (batch != NULL) {
        *turn->at = turn->next;
        if (turn->next != NULL)
            turn->next->at = turn->at;
        else
            batch->end = turn->at;
        if (batch->first == NULL)
            leave(batch);
    }
    slot_free(slot);
}

struct slot *reload_turn_start(struct reload_turns *turns, sd_event *loop,
                               const struct turn_order *order, slot_done *on_done, void *arg,
                               struct err *err)
{
    struct turn *turn = slot_new(sizeof *turn, loop, destroy_turn, on_done, arg, err);
    struct batch *waiting = turn == NULL ? NULL : find(&turns->waiting, order->key);

    if (turns->permits.most == 0)
        semaphore_open(&turns->permits, RELOADS_AT_ONCE);
    if (turn != NULL)
        turn->batch = waiting != NULL ? waiting : open_batch(turns, loop, order, err);
    if (turn == NULL || waiting != NULL || turn->batch == NULL)
        order->free_job(order->job);
    if (turn == NULL)
        return NULL;
    if (turn->batch == NULL) {
        slot_free(&turn->slot);
        return NULL;
    }
    turn->at = turn->batch->end;
    *turn->batch->end = turn;
    turn->batch->end = &turn->next;
    return &turn->slot;
}
