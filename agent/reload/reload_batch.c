#include "reload/reload_batch.h"

#include "base/clock.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* One request for a reload. */
struct asker {
    struct slot slot;
    struct batch *batch; /* NULL: the batch has ended */
    struct asker *next, **at;
};

/* A reload, shared by all requests that came before it began. */
struct batch {
    char key[DIGEST_HEX_BYTES]; /* first member: the tree of waiting batches compares it */
    struct reload_batches *batches;
    struct reload_lane *lane;
    struct batch *next, **at; /* links in the lane, while it waits */
    uint64_t apart_us;
    batch_begin *begin;
    void *job;
    void (*free_job)(void *job);
    bool has_begun; /* later requests get the next batch */
    struct permit permit;
    struct slot later; /* starts the batch in a later iteration */
    struct slot *step; /* the running reload */
    struct asker *first, **end;
};

/* Lives while a batch waits or runs in it. */
struct reload_lane {
    char name[DIGEST_HEX_BYTES]; /* first member, likewise */
    struct reload_batches *batches;
    sd_event *loop;
    struct batch *first, **end; /* the waiting batches */
    struct batch *running;
    sd_event_source *pause;
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void *find(void *const *tree, const char *key)
{
    void *node = tfind(key, tree, compare);

    return node == NULL ? NULL : *(void **)node;
}

/* -- lanes ----------------------------------------------------------------------------------------
 */

static struct reload_lane *open_lane(struct reload_batches *batches, sd_event *loop,
                                     const char *name)
{
    struct reload_lane *lane = find(&batches->lanes, name);

    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    memcpy(lane->name, name, sizeof lane->name);
    lane->batches = batches;
    lane->loop = loop;
    lane->end = &lane->first;
    if (tsearch(lane->name, &batches->lanes, compare) != NULL)
        return lane;
    free(lane);
    return NULL;
}

/* Frees the lane if no batch waits or runs in it. */
static void leave_lane(struct reload_lane *lane)
{
    if (lane->first != NULL || lane->running != NULL)
        return;
    tdelete(lane->name, &lane->batches->lanes, compare);
    sd_event_source_disable_unref(lane->pause);
    free(lane);
}

/* -- what began a moment ago ----------------------------------------------------------------------
 */

static uint64_t next_begin_us(const struct reload_batches *batches, const char *key)
{
    uint64_t next_us = 0;

    for (size_t i = 0; i < RELOADS_REMEMBERED; i++)
        if (batches->begun[i].next_us > next_us && strcmp(batches->begun[i].key, key) == 0)
            next_us = batches->begun[i].next_us;
    return next_us;
}

static void remember_begin(struct reload_batches *batches, const struct batch *batch)
{
    struct reload_begun *begun = &batches->begun[batches->begun_next++ % RELOADS_REMEMBERED];

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

/* Whether the first batch of the lane must wait; if memory for its timer ran out, it need not. */
static bool has_to_wait(struct reload_lane *lane)
{
    uint64_t next_us = next_begin_us(lane->batches, lane->first->key);

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

/* Starts the first waiting batch if the lane is free and its time has come. */
static void advance(struct reload_lane *lane)
{
    struct batch *batch = lane->first;
    struct err err;

    if (batch == NULL || lane->running != NULL || has_to_wait(lane))
        return;
    take_out(batch);
    lane->running = batch;
    if (!semaphore_acquire(&lane->batches->permits, 0, on_permitted, batch, &batch->permit, &err))
        slot_finish(&batch->later, &err);
}

/* Frees the lane for the next batch. */
static void leave(struct batch *batch)
{
    struct reload_lane *lane = batch->lane;

    if (lane->running == batch)
        lane->running = NULL;
    else
        take_out(batch);
    if (!batch->has_begun)
        tdelete(batch->key, &batch->batches->waiting, compare);
    slot_drop(batch->step);
    semaphore_release(&batch->batches->permits, &batch->permit);
    slot_close(&batch->later);
    batch->free_job(batch->job);
    free(batch);
    advance(lane);
    leave_lane(lane);
}

static void end(struct batch *batch, const struct err *err)
{
    struct asker *next;

    for (struct asker *asker = batch->first; asker != NULL; asker = next) {
        next = asker->next;
        asker->batch = NULL;
        slot_finish(&asker->slot, err);
    }
    leave(batch);
}

static void on_step_done(void *arg, const struct err *step_err)
{
    const struct err err = *step_err;

    end(arg, &err);
}

/* Runs in a later iteration of the loop: no reload starts while a caller drops its slots. */
static void begin(void *arg, const struct err *permit_err)
{
    struct batch *batch = arg;
    struct err err = *permit_err;

    tdelete(batch->key, &batch->batches->waiting, compare);
    batch->has_begun = true;
    if (batch->apart_us > 0)
        remember_begin(batch->batches, batch);
    if (err.kind == ERR_NONE)
        batch->step = batch->begin(batch->job, on_step_done, batch, &err);
    if (batch->step == NULL)
        end(batch, &err);
}

static struct batch *new_batch(struct reload_batches *batches, sd_event *loop,
                               const struct batch_order *order, struct err *err)
{
    struct batch *batch = calloc(1, sizeof *batch);

    if (batch == NULL) {
        err_memory(err);
        return NULL;
    }
    memcpy(batch->key, order->key, sizeof batch->key);
    batch->batches = batches;
    batch->apart_us = order->apart_us;
    batch->begin = order->begin;
    batch->job = order->job;
    batch->free_job = order->free_job;
    batch->end = &batch->first;
    if (!slot_open(&batch->later, loop, NULL, begin, batch, err)) {
        free(batch);
        return NULL;
    }
    if (tsearch(batch->key, &batches->waiting, compare) != NULL)
        return batch;
    err_memory(err);
    slot_close(&batch->later);
    free(batch);
    return NULL;
}

/* Takes the job on success only. */
static struct batch *open_batch(struct reload_batches *batches, sd_event *loop,
                                const struct batch_order *order, struct err *err)
{
    struct reload_lane *lane = open_lane(batches, loop, order->lane);
    struct batch *batch;

    if (lane == NULL) {
        err_memory(err);
        return NULL;
    }
    batch = new_batch(batches, loop, order, err);
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

static void destroy_asker(struct slot *slot)
{
    struct asker *asker = (struct asker *)slot;
    struct batch *batch = asker->batch;

    if (batch != NULL) {
        *asker->at = asker->next;
        if (asker->next != NULL)
            asker->next->at = asker->at;
        else
            batch->end = asker->at;
        if (batch->first == NULL)
            leave(batch);
    }
    slot_free(slot);
}

struct slot *reload_batch_start(struct reload_batches *batches, sd_event *loop,
                                const struct batch_order *order, slot_done *on_done, void *arg,
                                struct err *err)
{
    struct asker *asker = slot_new(sizeof *asker, loop, destroy_asker, on_done, arg, err);
    struct batch *waiting = asker == NULL ? NULL : find(&batches->waiting, order->key);

    if (batches->permits.most == 0)
        semaphore_open(&batches->permits, RELOADS_AT_ONCE);
    if (asker != NULL)
        asker->batch = waiting != NULL ? waiting : open_batch(batches, loop, order, err);
    if (asker == NULL || waiting != NULL || asker->batch == NULL)
        order->free_job(order->job);
    if (asker == NULL)
        return NULL;
    if (asker->batch == NULL) {
        slot_free(&asker->slot);
        return NULL;
    }
    asker->at = asker->batch->end;
    *asker->batch->end = asker;
    asker->batch->end = &asker->next;
    return &asker->slot;
}
