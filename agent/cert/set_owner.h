/*
 * set_owner - the one owner of a set on disk
 *
 * Whatever reads or changes a set as a whole runs alone: a publication and a rollback, a read and a
 * removal never overlap. They wait for one another in the order in which they came. A job is made
 * when it has the set to itself, so that it knows what those before it have left, and when the gate
 * has a place for it.
 *
 * A set is read when the gate of its disk has a place: at the start all are to be read. A job takes
 * some kilobytes from its making to its end, so ten thousand of them at once would leave a heap of
 * many times what stays in it. Each disk has its own places, and more of them than there may be
 * jobs that hang (base/lane): a disk that does not answer keeps no other one waiting, and its own
 * sets no longer than its lanes would.
 */
#ifndef LEAFD_CERT_SET_OWNER_H
#define LEAFD_CERT_SET_OWNER_H

#include "base/lane.h"
#include "base/semaphore.h"
#include "cert/set_jobs.h"

/* -- the gate -------------------------------------------------------------------------------------
 */

enum { SET_GATE_MOST = 4 * LANE_STUCK_MOST };

/* Initialise with {0}; holds nothing while nobody is in it. */
struct set_gate {
    void *disks; /* that somebody reads or waits for, for tsearch() */
};

/* One who reads, or waits for it; {0} before and afterwards. */
struct set_pass {
    struct set_gate *gate;
    struct gate_disk *disk;
    struct permit permit;
};

/* set_gate_enter - on_granted runs when there is a place, which may be from within this call; fails
 * with class local */
bool set_gate_enter(struct set_gate *gate, uint64_t disk, permit_granted *on_granted, void *arg,
                    struct set_pass *pass, struct err *err);

/* set_gate_leave - gives the place back, or waits no more; {0} is fine */
void set_gate_leave(struct set_pass *pass);

/* -- the owner ------------------------------------------------------------------------------------
 */

/* Makes the job that has the set now, which owns it; NULL with *err filled if it cannot. */
typedef struct cert_job *set_make(void *arg, struct err *err);

/* Initialise with {0}. */
struct set_owner {
    struct set_access *first; /* it runs; those behind it wait */
    struct set_owner *left;   /* of directories that were left while jobs ran there */
};

/* What is to be done with the set. All borrowed while it waits or runs. */
struct set_order {
    sd_event *loop;
    struct workers *workers;
    struct mounts *mounts;
    struct set_gate *gate; /* to be passed first; NULL: none */
    uint64_t disk;         /* for the gate */
    enum worker_urgency urgency;
    bool swaps;            /* it may change what is published */
    bool stages;           /* what its draft names is removed if nobody hears of it */
    struct cert_job **job; /* where it is found while it has the set; NULL there: none has */
    set_make *make;
    worker_run *run;
    void *arg; /* of make, and of on_done */
};

/*
 * set_owner_start - runs the job when it has the set to itself
 *
 * It has the set until the slot is dropped. If that is while the job runs, the job runs to its end
 * unheard and what it staged is removed; only then the next one has the set. Whoever drops the
 * slot forgets *order->job. NULL with *err filled, class local.
 */
struct slot *set_owner_start(struct set_owner *owner, const struct set_order *order,
                             slot_done *on_done, struct err *err);

/* set_owner_runs_swap - whether what is published may be changing right now */
bool set_owner_runs_swap(const struct set_owner *owner);

/*
 * set_owner_leave - goes on to another directory
 *
 * Jobs that run in the directory before run to their end there, which may never come if its disk
 * hangs; nothing of the new one waits for them. Where memory has run out, it does wait.
 */
void set_owner_leave(struct set_owner *owner);

/* set_owner_close - forgets what nobody waits for; every slot has been dropped before */
void set_owner_close(struct set_owner *owner);

#endif
