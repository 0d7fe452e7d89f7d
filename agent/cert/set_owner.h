/*
 * set_owner - the one owner of a set on disk
 *
 * Whatever reads or changes a set as a whole runs alone: a publication and a rollback, a read and a
 * removal never overlap. They wait for one another in the order in which they came. A job is made
 * when its turn has come, so that it knows what those before it have left.
 */
#ifndef LEAFD_CERT_SET_OWNER_H
#define LEAFD_CERT_SET_OWNER_H

#include "base/worker.h"
#include "cert/cert_job.h"

/* Makes the job of a turn that has come; NULL with *err filled if it cannot. */
typedef struct cert_job *set_make(void *arg, struct err *err);

/* Initialise with {0}. */
struct set_owner {
    struct set_turn *first; /* it runs; those behind it wait */
};

/* What is to be done with the set. All borrowed while it waits or runs. */
struct set_order {
    sd_event *loop;
    struct workers *workers;
    enum worker_urgency urgency;
    bool swaps; /* it may change what is published */
    set_make *make;
    worker_run *run;
    void *arg;                /* of make, and of on_done */
    void (*free_arg)(void *); /* when the turn is over, for what nobody waits for; NULL: nothing */
};

/*
 * set_owner_start - runs the job when its turn has come
 *
 * The turn lasts until the slot is dropped. If that is while the job runs, the job runs to its end
 * unheard and what it staged is removed; only then is it the next one's turn. Without `on_done`
 * nobody holds the slot: the turn ends with the job. NULL with *err filled, class local.
 */
struct slot *set_owner_start(struct set_owner *owner, const struct set_order *order,
                             slot_done *on_done, struct err *err);

/* set_owner_runs_swap - whether what is published may be changing right now */
bool set_owner_runs_swap(const struct set_owner *owner);

/* set_owner_running - the job that runs right now, on a thread; NULL: none */
struct cert_job *set_owner_running(const struct set_owner *owner);

/* set_owner_close - does what was begun without on_done, and forgets all else; every slot has been
 * dropped before. Blocks on the disk */
void set_owner_close(struct set_owner *owner);

#endif
