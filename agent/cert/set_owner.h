/*
 * set_owner - the queue of one set: jobs on the whole set run one at a time
 *
 * Reads, publications, rollbacks and removals never overlap; they run in the order in which they
 * were started. A job is created when its turn comes, so that it sees the results of those before
 * it.
 *
 * A gate also limits how many sets of one disk are read at once. At a start all sets are read, and
 * ten thousand jobs with some kilobytes each would enlarge the heap for good. Each disk has its own
 * limit, which is higher than the number of its jobs that may hang (base/lane): a hanging disk does
 * not delay others.
 */
#ifndef LEAFD_CERT_SET_OWNER_H
#define LEAFD_CERT_SET_OWNER_H

#include "base/lane.h"
#include "base/semaphore.h"
#include "cert/set_jobs.h"

/* -- the gate -------------------------------------------------------------------------------------
 */

enum { SET_GATE_MOST = 4 * LANE_STUCK_MOST };

/* Initialise with {0}. It holds no memory while it is empty. */
struct set_gate {
    void *disks; /* disks with readers, a tree of tsearch(3) */
};

/* A place in the gate, or in its queue; {0} before and afterwards. */
struct set_pass {
    struct set_gate *gate;
    struct gate_disk *disk;
    struct permit permit;
};

/* set_gate_enter - on_granted runs when there is a place, possibly during this call; fails with
 * class local */
bool set_gate_enter(struct set_gate *gate, uint64_t disk, permit_granted *on_granted, void *arg,
                    struct set_pass *pass, struct err *err);

/* set_gate_leave - gives the place back, or leaves the queue; {0} is fine */
void set_gate_leave(struct set_pass *pass);

/* -- the owner ------------------------------------------------------------------------------------
 */

/* Creates the job when its turn comes; NULL with *err filled on failure. */
typedef struct cert_job *set_make(void *arg, struct err *err);

/* Initialise with {0}. */
struct set_owner {
    struct set_access *first; /* the running one; the others wait */
    struct set_owner *left;   /* queues of previous directories in which jobs still run */
};

/* A job on the whole set; everything is borrowed until the slot is dropped. */
struct set_order {
    sd_event *loop;
    struct workers *workers;
    struct mounts *mounts;
    struct set_gate *gate; /* to be entered first; NULL: none */
    uint64_t disk;         /* for the gate */
    enum worker_urgency urgency;
    bool swaps;            /* may change what is published */
    bool stages;           /* its staged generation is removed if the slot is dropped */
    struct cert_job **job; /* points to the job while it has the set; else to NULL */
    set_make *make;
    worker_run *run;
    void *arg; /* for make and on_done */
};

/*
 * set_owner_start - runs the job when it has the set to itself
 *
 * It has the set until the slot is dropped. If the slot is dropped while the job runs, the job
 * continues without a callback, what it staged is removed, and then the next one gets the set. The
 * caller that drops the slot clears *order->job. NULL with *err filled (class local).
 */
struct slot *set_owner_start(struct set_owner *owner, const struct set_order *order,
                             slot_done *on_done, struct err *err);

/* set_owner_runs_swap - whether a job that may change what is published has the set */
bool set_owner_runs_swap(const struct set_owner *owner);

/*
 * set_owner_leave - changes to another directory
 *
 * Jobs in the previous directory continue, and jobs in the new one do not wait for them; the disk
 * may hang. If memory ran out, they do wait.
 */
void set_owner_leave(struct set_owner *owner);

/* set_owner_close - frees the queue; every slot has been dropped before */
void set_owner_close(struct set_owner *owner);

#endif
