/*
 * set_jobs - work on the files of a set, on workers, in the lane of its directory
 *
 * Jobs of one directory run in order, and a hanging disk delays only its own sets (base/lane). The
 * event loop does no file work on a set; it does not even close a file.
 */
#ifndef LEAFD_CERT_SET_JOBS_H
#define LEAFD_CERT_SET_JOBS_H

#include "base/mounts.h"
#include "base/watches.h"
#include "base/worker.h"
#include "cert/cert_job.h"

/* The place of a set; borrowed during calls. */
struct set_place {
    struct workers *workers;
    struct mounts *mounts;
    const char *directory;
};

/* set_lane - the lane of the directory; borrows its name */
struct lane_key set_lane(const struct set_place *place);

/* set_job_start - starts a job of a certificate in the set's lane: worker_start_in */
struct slot *set_job_start(const struct set_place *place, enum worker_urgency urgency,
                           worker_run *run, struct cert_job *job, slot_done *on_done, void *arg,
                           struct err *err);

/*
 * set_remove - starts to remove a generation, unless it is published by then; "": none
 *
 * There is no callback: the next read of the directory removes what is left. Takes a share of the
 * claim; does nothing without one.
 */
void set_remove(const struct set_place *place, struct set_claim *claim, const char *generation);

/* set_leave_only - starts to remove all generations that are not published by then; the rest as
 * set_remove */
void set_leave_only(const struct set_place *place, struct set_claim *claim);

/* set_give_up - takes the claim and drops it after the other jobs of the lane; returns NULL */
struct set_claim *set_give_up(const struct set_place *place, struct set_claim *claim);

/* set_unwatch - starts to end a watch of the directory; 0: none. `watches` is NULL if the process
 * ends */
void set_unwatch(const struct set_place *place, struct watches *watches, int watch);

#endif
