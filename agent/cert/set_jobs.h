/*
 * set_jobs - work with the files of a set, by workers, in the set's lane
 *
 * The jobs of one directory run in order, and a disk that hangs holds only its own (base/lane). The
 * loop touches no file of a set: it does not even close one.
 */
#ifndef LEAFD_CERT_SET_JOBS_H
#define LEAFD_CERT_SET_JOBS_H

#include "base/mounts.h"
#include "base/watches.h"
#include "base/worker.h"
#include "cert/cert_job.h"

/* Where the set is. All borrowed during the call. */
struct set_place {
    struct workers *workers;
    struct mounts *mounts;
    const char *directory;
};

/* set_lane - the lane of the directory; the name in it is the place's */
struct lane_key set_lane(const struct set_place *place);

/* set_job_start - worker_start_in for a job of a certificate */
struct slot *set_job_start(const struct set_place *place, enum worker_urgency urgency,
                           worker_run *run, struct cert_job *job, slot_done *on_done, void *arg,
                           struct err *err);

/*
 * set_remove - has a generation removed, unless it is in place by then; "" is none
 *
 * Nobody hears of the end: what cannot be removed is swept when the directory is read next. Shares
 * the claim; without one nothing is done.
 */
void set_remove(const struct set_place *place, struct set_claim *claim, const char *generation);

/* set_leave_only - has all generations removed but what is published by then; as set_remove */
void set_leave_only(const struct set_place *place, struct set_claim *claim);

/* set_give_up - has the claim dropped, which it takes, behind the other jobs; returns NULL */
struct set_claim *set_give_up(const struct set_place *place, struct set_claim *claim);

/* set_unwatch - ends a watch of the directory: 0 is none, and `watches` NULL for a process that
 * ends */
void set_unwatch(const struct set_place *place, struct watches *watches, int watch);

#endif
