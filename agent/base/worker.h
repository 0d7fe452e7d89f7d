/*
 * worker - runs jobs that would block the event loop
 *
 * Making an RSA key takes up to a second, and a file operation may never end, on a frozen file
 * system or one whose server is down. Such jobs run on a few threads; the rest of leafd has one
 * thread. A job is a struct that no other thread accesses while it runs.
 *
 * A job that does not end within WORKER_STUCK_AFTER_MS counts as stuck: another thread replaces its
 * thread, up to WORKER_STUCK_MOST of them. Jobs behind it in its lane, and on its disk, keep
 * waiting (base/lane).
 */
#ifndef LEAFD_BASE_WORKER_H
#define LEAFD_BASE_WORKER_H

#include "base/lane.h"
#include "base/slot.h"

enum {
    WORKER_STUCK_AFTER_MS = 2000,
    WORKER_TELL_AFTER_MS = 10000,
    WORKER_STUCK_MOST = 48 /* threads */
};

struct workers;

/* Runs on the thread; false with *err filled if it failed. */
typedef bool worker_run(void *job, struct err *err);

/* Frees a job; always runs on the loop's thread. */
typedef void worker_free(void *job);

/*
 * workers_open - a pool of up to `threads` threads, not counting stuck ones
 *
 * Threads are started when there is work. Borrows `loop`. Signals that the loop watches must be
 * blocked before: the threads inherit the mask.
 */
bool workers_open(sd_event *loop, unsigned threads, struct workers **ret_workers, struct err *err);

/* Called on the loop: a job of the lane has run for WORKER_TELL_AFTER_MS, or has ended after
 * that. */
typedef void worker_stuck(void *arg, const char *lane, bool is_stuck);

/* workers_watch - sets the callback for stuck jobs; `arg` lives as long as the pool */
void workers_watch(struct workers *workers, worker_stuck *on_stuck, void *arg);

/*
 * workers_close - waits for started jobs, without callbacks, and frees the pool; NULL is fine
 *
 * Every slot of the pool was dropped before. False if jobs still run after `patience_s`. Then
 * threads and pool stay, and the process must end by _exit(2), because exit(3) would free what the
 * threads still use.
 */
bool workers_close(struct workers *workers, uint64_t patience_s);

/*
 * worker_start - runs `run(job)` on a thread, as computation
 *
 * Takes `job`, also when it fails: `free_job` is called once in any case. Dropping the slot removes
 * a waiting job; a running job ends without on_done and is freed then. NULL with *err filled if
 * memory or threads ran out (class local).
 */
struct slot *worker_start(struct workers *workers, enum worker_urgency urgency, worker_run *run,
                          void *job, worker_free *free_job, slot_done *on_done, void *arg,
                          struct err *err);

/* worker_start_in - the same for a job that belongs to a lane; copies `key` */
struct slot *worker_start_in(struct workers *workers, const struct lane_key *key,
                             enum worker_urgency urgency, worker_run *run, void *job,
                             worker_free *free_job, slot_done *on_done, void *arg, struct err *err);

/*
 * worker_send - runs a job of a lane without a callback
 *
 * The job runs even if the pool is closed next, within the time that workers_close waits. False
 * with *err filled as for worker_start; `job` is freed then.
 */
bool worker_send(struct workers *workers, const struct lane_key *key, worker_run *run, void *job,
                 worker_free *free_job, struct err *err);

/* worker_let_go - drops the slot of a job without cancelling the job; returns NULL */
struct slot *worker_let_go(struct slot *slot);

#endif
