/*
 * worker - work that would stall the event loop
 *
 * Making an RSA key takes up to a second, and syncing a set of files takes as long as the disk
 * likes. Such jobs run on a few threads; all the rest of leafd has one thread. A job is a struct of
 * its own that nobody else touches while it runs. Dropping the slot of a running job lets it end
 * unheard and frees it then.
 */
#ifndef LEAFD_BASE_WORKER_H
#define LEAFD_BASE_WORKER_H

#include "base/slot.h"

struct workers;

/* What runs on the thread: false with *err filled if it failed. */
typedef bool worker_run(void *job, struct err *err);

/* Jobs of a lower urgency start when no others wait. */
enum worker_urgency { WORK_NEXT, WORK_WHEN_IDLE, WORKER_URGENCIES };

/* Frees a job; always runs on the loop's thread. */
typedef void worker_free(void *job);

/*
 * workers_open - a pool of up to `threads` threads, started when there is work
 *
 * Borrows `loop`. Signals that the loop watches must be blocked already: the threads inherit that.
 */
bool workers_open(sd_event *loop, unsigned threads, struct workers **ret_workers, struct err *err);

/*
 * workers_close - waits for jobs that still run, unheard, and frees the pool; NULL is fine
 *
 * Every slot of the pool has been dropped before.
 */
void workers_close(struct workers *workers);

/*
 * workers_abandon - the same without waiting, for a process that ends
 *
 * While a job still runs, its thread and the pool stay.
 */
void workers_abandon(struct workers *workers);

/*
 * worker_start - runs `run(job)` on a thread
 *
 * Takes `job`, also when it fails: `free_job` is called once in any case. NULL with *err filled if
 * memory or threads ran out (class local).
 */
struct slot *worker_start(struct workers *workers, enum worker_urgency urgency, worker_run *run,
                          void *job, worker_free *free_job, slot_done *on_done, void *arg,
                          struct err *err);

/* worker_join - sees to it that the job has run, on this thread if need be; on_done runs as ever */
void worker_join(struct slot *slot);

#endif
