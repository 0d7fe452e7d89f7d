/*
 * timed_job - a job on a worker that is given up at a time limit
 *
 * For what asks others: a name server, a directory on a mount that may hang, /proc. A job that is
 * given up goes on unheard and is freed when it ends; until then it holds its lane, and a thread.
 */
#ifndef LEAFD_BASE_TIMED_JOB_H
#define LEAFD_BASE_TIMED_JOB_H

#include "base/worker.h"

#include <stdint.h>

struct timed_job {
    const char *asked; /* a host or a path: who asks the same waits for one another (base/lane) */
    worker_run *run;
    void *job;
    worker_free *free_job;
    uint64_t limit_us;
    struct err late; /* how it ends at the limit */
};

/*
 * timed_job_start - runs the job, at most for the limit
 *
 * Takes the job, also when it fails. Borrows `order` during the call. In on_done the job is the
 * receiver's to read if it went well; it is freed with the slot. NULL with *err filled if memory or
 * threads ran out (class local).
 */
struct slot *timed_job_start(sd_event *loop, struct workers *workers, const struct timed_job *order,
                             slot_done *on_done, void *arg, struct err *err);

#endif
