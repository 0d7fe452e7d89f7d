#include "cert/set_owner.h"

#include <stdlib.h>
#include <string.h>

struct set_turn {
    struct slot slot; /* first: the slot is the turn */
    struct set_owner *owner;
    struct set_turn *next;
    struct set_order order;
    struct cert_job *job; /* while it runs; the worker's slot owns it */
    struct slot *worker;
    struct set_pass pass; /* until the job has ended */
    slot_done *on_done;
    bool has_run; /* the job has ended */
    bool heard;   /* that was told */
    bool unheard; /* nobody waits for it any more */
};

static void begin(struct set_turn *turn);

static void free_turn(struct set_turn *turn)
{
    slot_drop(turn->worker);
    set_gate_leave(&turn->pass);
    slot_close(&turn->slot);
    free(turn);
}

/* Ends the turn; the next one's has come. */
static void end_turn(struct set_turn *turn)
{
    struct set_owner *owner = turn->owner;
    bool was_first = owner->first == turn;
    struct set_turn **link = &owner->first;

    while (*link != turn)
        link = &(*link)->next;
    *link = turn->next;
    free_turn(turn);
    if (was_first && owner->first != NULL)
        begin(owner->first);
}

static struct slot *start_job(struct set_turn *turn, enum worker_urgency urgency, worker_run *run,
                              struct cert_job *job, slot_done *on_done, struct err *err)
{
    const struct set_place place = {turn->order.workers, turn->order.mounts, job->cert->directory};

    return set_job_start(&place, urgency, run, job, on_done, turn, err);
}

static void on_removed(void *arg, const struct err *err)
{
    (void)err;
    end_turn(arg);
}

/* What was staged for nobody holds a key. */
static bool starts_removal(struct set_turn *turn)
{
    const struct cert_draft *draft = turn->job->draft;
    struct cert_job *removal;
    struct err err;

    if (!turn->order.stages || draft == NULL || draft->generation[0] == '\0')
        return false;
    removal = cert_job_new(turn->job->config, turn->job->cert, turn->job->claim, NULL, &err);
    if (removal == NULL)
        return false;
    memcpy(removal->removed, draft->generation, sizeof removal->removed);
    turn->job = NULL;
    slot_drop(turn->worker);
    turn->worker = start_job(turn, WORK_NEXT, job_remove, removal, on_removed, &err);
    return turn->worker != NULL;
}

static void on_job_done(void *arg, const struct err *err)
{
    struct set_turn *turn = arg;

    turn->has_run = true;
    set_gate_leave(&turn->pass);
    if (!turn->unheard)
        slot_finish(&turn->slot, err);
    else if (!starts_removal(turn))
        end_turn(turn);
}

static void fail(struct set_turn *turn, const struct err *err)
{
    *turn->order.job = turn->job = NULL;
    set_gate_leave(&turn->pass);
    slot_finish(&turn->slot, err);
}

static void run(void *arg)
{
    struct set_turn *turn = arg;
    struct err err = {0};

    turn->job = turn->order.make(turn->order.arg, &err);
    if (turn->job != NULL)
        turn->worker =
            start_job(turn, turn->order.urgency, turn->order.run, turn->job, on_job_done, &err);
    /* A job that could not start is gone. */
    if (turn->worker == NULL)
        fail(turn, &err);
    else
        *turn->order.job = turn->job;
}

static void begin(struct set_turn *turn)
{
    const struct set_order *order = &turn->order;
    struct err err;

    if (order->gate == NULL)
        run(turn);
    else if (!set_gate_enter(order->gate, order->disk, run, turn, &turn->pass, &err))
        fail(turn, &err);
}

static void destroy(struct slot *slot)
{
    struct set_turn *turn = (struct set_turn *)slot;
    bool runs = turn->worker != NULL && !turn->has_run;

    sd_event_source_set_enabled(turn->slot.later, SD_EVENT_OFF);
    turn->unheard = true;
    if (!runs && (turn->heard || turn->job == NULL || !starts_removal(turn)))
        end_turn(turn);
}

static void on_heard(void *arg, const struct err *err)
{
    struct set_turn *turn = arg;

    turn->heard = true;
    /* Whoever hears drops the slot, and with it the turn. */
    turn->on_done(turn->order.arg, err);
}

struct slot *set_owner_start(struct set_owner *owner, const struct set_order *order,
                             slot_done *on_done, struct err *err)
{
    struct set_turn *turn = calloc(1, sizeof *turn), **last = &owner->first;

    if (turn == NULL || !slot_open(&turn->slot, order->loop, destroy, on_heard, turn, err)) {
        if (turn == NULL)
            err_memory(err);
        free(turn);
        return NULL;
    }
    turn->owner = owner;
    turn->order = *order;
    turn->on_done = on_done;
    while (*last != NULL)
        last = &(*last)->next;
    *last = turn;
    if (owner->first == turn)
        begin(turn);
    return &turn->slot;
}

bool set_owner_runs_swap(const struct set_owner *owner)
{
    return owner->first != NULL && owner->first->order.swaps;
}

void set_owner_close(struct set_owner *owner)
{
    while (owner->first != NULL) {
        struct set_turn *turn = owner->first;

        owner->first = turn->next;
        free_turn(turn);
    }
}
