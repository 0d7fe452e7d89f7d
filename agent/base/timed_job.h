/*
 * timed_job - a job on a worker with a time limit
 *
 * For jobs that may hang: a name server, a directory on a mount, /proc. After the time limit the
 * slot ends with a failure. The job continues and is freed when it ends; until then it occupies its
 * lane and a thread.
 */
#ifndef LEAFD_BASE_TIMED_JOB_H
#define LEAFD_BASE_TIMED_JOB_H

#include "base/worker.h"

#include <stdint.h>

struct timed_job {
    const char *asked; /* host or path; jobs with one run in order (base/lane) */
    worker_run *run;
    void *job;
    worker_free *free_job;
    uint64_t limit_us;
    struct err late; /* the failure that is reported at the time limit */
};

/*
 * timed_job_start - runs the job with its time limit
 *
 * Takes the job, also when it fails. Borrows `order` during the call. In on_done the receiver may
 * read the job if it succeeded; it is freed with the slot. NULL with *err filled if memory or
 * threads ran out (class local).
 */
struct slot *timed_job_start(sd_event *loop, struct workers *workers, const struct timed_job *order,
                             slot_done *on_done, void *arg, struct err *err);

#endif
