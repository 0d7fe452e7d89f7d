#include "cert/set_owner.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* -- the gate -------------------------------------------------------------------------------------
 */

struct gate_disk {
    uint64_t number; /* as in struct lane_key */
    unsigned passes; /* inside or waiting */
    struct semaphore places;
};

static int compare_disks(const void *a, const void *b)
{
    const struct gate_disk *first = a, *second = b;

    return (first->number > second->number) - (first->number < second->number);
}

/* NULL if memory ran out. */
static struct gate_disk *find_disk(struct set_gate *gate, uint64_t number)
{
    const struct gate_disk wanted = {.number = number};
    struct gate_disk **found = tfind(&wanted, &gate->disks, compare_disks), *disk;

    if (found != NULL)
        return *found;
    disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return NULL;
    disk->number = number;
    semaphore_open(&disk->places, SET_GATE_MOST);
    if (tsearch(disk, &gate->disks, compare_disks) != NULL)
        return disk;
    free(disk);
    return NULL;
}

static void leave_disk(struct set_gate *gate, struct gate_disk *disk)
{
    if (--disk->passes > 0)
        return;
    tdelete(disk, &gate->disks, compare_disks);
    free(disk);
}

bool set_gate_enter(struct set_gate *gate, uint64_t disk, permit_granted *on_granted, void *arg,
                    struct set_pass *pass, struct err *err)
{
    struct gate_disk *its = find_disk(gate, disk);
    bool enters;

    if (its == NULL)
        return err_memory(err);
    *pass = (struct set_pass){.gate = gate, .disk = its};
    /* One more for the duration of the call, since on_granted may leave at once. */
    its->passes += 2;
    enters = semaphore_acquire(&its->places, 0, on_granted, arg, &pass->permit, err);
    if (!enters)
        *pass = (struct set_pass){0};
    its->passes -= !enters;
    leave_disk(gate, its);
    return enters;
}

void set_gate_leave(struct set_pass *pass)
{
    struct set_gate *gate = pass->gate;
    struct gate_disk *disk = pass->disk;

    if (gate == NULL)
        return;
    semaphore_release(&disk->places, &pass->permit);
    *pass = (struct set_pass){0};
    leave_disk(gate, disk);
}

/* -- the owner ------------------------------------------------------------------------------------
 */

struct set_access {
    struct slot slot; /* first member: the slot is the access */
    struct set_owner *owner;
    struct set_access *next;
    struct set_order order;
    struct cert_job *job; /* while it exists; the worker's slot owns it */
    struct slot *worker;
    struct set_pass pass; /* held until the job has ended */
    slot_done *on_done;
    bool has_run; /* the job has ended */
    bool heard;   /* on_done was called */
    bool unheard; /* the slot was dropped */
};

static void begin(struct set_access *access);

static void free_access(struct set_access *access)
{
    slot_drop(access->worker);
    set_gate_leave(&access->pass);
    slot_close(&access->slot);
    free(access);
}

/* Ends the access and begins the next one. */
static void end_access(struct set_access *access)
{
    struct set_owner *owner = access->owner;
    bool was_first = owner->first == access;
    struct set_access **link = &owner->first;

    while (*link != access)
        link = &(*link)->next;
    *link = access->next;
    free_access(access);
    if (was_first && owner->first != NULL)
        begin(owner->first);
}

static struct slot *start_job(struct set_access *access, enum worker_urgency urgency,
                              worker_run *run, struct cert_job *job, slot_done *on_done,
                              struct err *err)
{
    const struct set_place place = {access->order.workers, access->order.mounts,
                                    job->cert->directory};

    return set_job_start(&place, urgency, run, job, on_done, access, err);
}

static void on_removed(void *arg, const struct err *err)
{
    (void)err;
    end_access(arg);
}

/* Removes a generation that was staged for a dropped slot: it holds a key. */
static bool starts_removal(struct set_access *access)
{
    const struct cert_draft *draft = access->job->draft;
    struct cert_job *removal;
    struct err err;

    if (!access->order.stages || draft == NULL || draft->generation[0] == '\0')
        return false;
    removal = cert_job_new(access->job->config, access->job->cert, access->job->claim, NULL, &err);
    if (removal == NULL)
        return false;
    memcpy(removal->removed, draft->generation, sizeof removal->removed);
    access->job = NULL;
    slot_drop(access->worker);
    access->worker = start_job(access, WORK_NEXT, job_remove, removal, on_removed, &err);
    return access->worker != NULL;
}

static void on_job_done(void *arg, const struct err *err)
{
    struct set_access *access = arg;

    access->has_run = true;
    set_gate_leave(&access->pass);
    if (!access->unheard)
        slot_finish(&access->slot, err);
    else if (!starts_removal(access))
        end_access(access);
}

static void fail(struct set_access *access, const struct err *err)
{
    *access->order.job = access->job = NULL;
    set_gate_leave(&access->pass);
    slot_finish(&access->slot, err);
}

static void run(void *arg)
{
    struct set_access *access = arg;
    struct err err = {0};

    access->job = access->order.make(access->order.arg, &err);
    if (access->job != NULL)
        access->worker = start_job(access, access->order.urgency, access->order.run, access->job,
                                   on_job_done, &err);
    /* A job that could not start was freed. */
    if (access->worker == NULL)
        fail(access, &err);
    else
        *access->order.job = access->job;
}

static void begin(struct set_access *access)
{
    const struct set_order *order = &access->order;
    struct err err;

    if (order->gate == NULL)
        run(access);
    else if (!set_gate_enter(order->gate, order->disk, run, access, &access->pass, &err))
        fail(access, &err);
}

static void destroy(struct slot *slot)
{
    struct set_access *access = (struct set_access *)slot;
    bool runs = access->worker != NULL && !access->has_run;

    slot_mute(&access->slot);
    access->unheard = true;
    if (!runs && (access->heard || access->job == NULL || !starts_removal(access)))
        end_access(access);
}

static void on_heard(void *arg, const struct err *err)
{
    struct set_access *access = arg;

    access->heard = true;
    /* The callee drops the slot, which ends the access. */
    access->on_done(access->order.arg, err);
}

struct slot *set_owner_start(struct set_owner *owner, const struct set_order *order,
                             slot_done *on_done, struct err *err)
{
    struct set_access *access = calloc(1, sizeof *access), **last = &owner->first;

    if (access == NULL || !slot_open(&access->slot, order->loop, destroy, on_heard, access, err)) {
        if (access == NULL)
            err_memory(err);
        free(access);
        return NULL;
    }
    access->owner = owner;
    access->order = *order;
    access->on_done = on_done;
    while (*last != NULL)
        last = &(*last)->next;
    *last = access;
    if (owner->first == access)
        begin(access);
    return &access->slot;
}

bool set_owner_runs_swap(const struct set_owner *owner)
{
    return owner->first != NULL && owner->first->order.swaps;
}

/* Frees queues without jobs. */
static void sweep_left(struct set_owner *owner)
{
    for (struct set_owner **link = &owner->left; *link != NULL;) {
        struct set_owner *left = *link;

        if (left->first != NULL) {
            link = &left->left;
            continue;
        }
        *link = left->left;
        free(left);
    }
}

void set_owner_leave(struct set_owner *owner)
{
    struct set_owner *left;

    sweep_left(owner);
    if (owner->first == NULL)
        return;
    left = calloc(1, sizeof *left);
    if (left == NULL)
        return;
    *left = *owner;
    owner->left = left;
    owner->first = NULL;
    for (struct set_access *access = left->first; access != NULL; access = access->next)
        access->owner = left;
}

static void forget_all(struct set_owner *owner)
{
    while (owner->first != NULL) {
        struct set_access *access = owner->first;

        owner->first = access->next;
        free_access(access);
    }
}

void set_owner_close(struct set_owner *owner)
{
    forget_all(owner);
    for (struct set_owner *left = owner->left; left != NULL; left = left->left)
        forget_all(left);
    sweep_left(owner);
}
