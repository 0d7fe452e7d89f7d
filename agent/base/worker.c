#include "base/worker.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MOST = 16, THREADS = THREADS_MOST + WORKER_STUCK_MOST };

struct work {
    struct slot slot;
    struct lane_place place; /* in the order */
    struct work *next;       /* in the list of ended jobs */
    struct workers *workers;
    worker_run *run;
    worker_free *free_job;
    void *job;
    struct err err;
    bool unheard; /* its slot was dropped; used on the loop's thread only */
    char *told;   /* the lane, if it was reported as stuck; likewise */
    enum { WORK_WAITS, WORK_RUNS, WORK_ENDED, WORK_TOLD } progress;
};

struct worker {
    struct workers *workers;
    pthread_t thread;
    enum { THREAD_NONE, THREAD_ALIVE, THREAD_LEFT } state;
    struct work *work; /* the running job; NULL: none */
    uint64_t since_us; /* when the job began, on the boot clock */
};

struct workers {
    sd_event_source *wake, *check; /* wake: jobs have ended; check: looks for stuck jobs */
    int wake_fd;
    unsigned most;
    worker_stuck *on_stuck;
    void *arg;

    pthread_mutex_t lock; /* protects all that follows */
    pthread_cond_t work_or_closing, thread_left;
    struct lanes *lanes;
    struct work *ended, **ended_end;
    unsigned alive, idle, stuck; /* numbers of threads */
    bool closing;
    struct worker threads[THREADS];
};

static void free_work(struct work *work)
{
    slot_close(&work->slot);
    work->free_job(work->job);
    free(work->told);
    free(work);
}

static struct work *work_of(struct lane_place *place)
{
    return (struct work *)(void *)((char *)place - offsetof(struct work, place));
}

/* -- the threads ----------------------------------------------------------------------------------
 */

/* Called with the lock held, which is released while the job runs. */
static void run_work(struct worker *worker, struct work *work)
{
    struct workers *workers = worker->workers;
    const uint64_t one = 1;
    bool is_first;

    work->progress = WORK_RUNS;
    worker->work = work;
    worker->since_us = clock_boot_us();
    pthread_mutex_unlock(&workers->lock);
    if (work->run(work->job, &work->err))
        work->err.kind = ERR_NONE;
    pthread_mutex_lock(&workers->lock);
    worker->work = NULL;
    workers->stuck -= work->place.is_stuck;
    lanes_end(workers->lanes, &work->place);
    work->progress = WORK_ENDED;
    work->next = NULL;
    is_first = workers->ended == NULL;
    *workers->ended_end = work;
    workers->ended_end = &work->next;
    /* The reader takes all. The write cannot fail: the counter would have to reach 2^64. */
    if (is_first)
        (void)!write(workers->wake_fd, &one, sizeof one);
}

static void *work_loop(void *arg)
{
    struct worker *worker = arg;
    struct workers *workers = worker->workers;

    pthread_mutex_lock(&workers->lock);
    while (workers->alive - workers->stuck <= workers->most) {
        struct lane_place *place = lanes_pop(workers->lanes);

        if (place != NULL) {
            run_work(worker, work_of(place));
        } else if (workers->closing) {
            break;
        } else {
            workers->idle++;
            pthread_cond_wait(&workers->work_or_closing, &workers->lock);
            workers->idle--;
        }
    }
    worker->state = THREAD_LEFT;
    workers->alive--;
    pthread_cond_broadcast(&workers->thread_left);
    /* The thread that is to take over may be asleep. */
    pthread_cond_signal(&workers->work_or_closing);
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Starts a thread if one is needed. False if there is none at all. */
static bool provide_thread(struct workers *workers, struct err *err)
{
    struct worker *worker = workers->threads;
    int r;

    if (lanes_waiting(workers->lanes) <= workers->idle ||
        workers->alive - workers->stuck >= workers->most || workers->stuck > WORKER_STUCK_MOST)
        return true;
    while (worker->state == THREAD_ALIVE)
        worker++;
    if (worker->state == THREAD_LEFT)
        pthread_join(worker->thread, NULL);
    *worker = (struct worker){.workers = workers, .state = THREAD_ALIVE};
    r = pthread_create(&worker->thread, NULL, work_loop, worker);
    if (r == 0) {
        workers->alive++;
        return true;
    }
    worker->state = THREAD_NONE;
    return workers->alive > workers->stuck || err_errno(err, ERR_LOCAL, r, "cannot start a thread");
}

/* -- jobs that do not end -------------------------------------------------------------------------
 */

enum { EVERY_US = WORKER_STUCK_AFTER_MS * 1000, TELL_AFTER_US = WORKER_TELL_AFTER_MS * 1000 };

static void plan_check(struct workers *workers)
{
    int is_planned;

    if (sd_event_source_get_enabled(workers->check, &is_planned) > 0)
        return;
    sd_event_source_set_time_relative(workers->check, EVERY_US);
    sd_event_source_set_enabled(workers->check, SD_EVENT_ONESHOT);
}

/* Marks jobs as stuck that have run for `after_us`, and starts threads for others. */
static void look_for_stuck(struct workers *workers, uint64_t after_us)
{
    uint64_t now_us = clock_boot_us();
    struct err err;

    for (size_t i = 0; i < THREADS; i++) {
        const struct worker *worker = &workers->threads[i];

        if (worker->work != NULL && !worker->work->place.is_stuck &&
            now_us - worker->since_us >= after_us &&
            lanes_mark_stuck(workers->lanes, &worker->work->place))
            workers->stuck++;
    }
    for (unsigned i = 0; i < workers->most; i++)
        provide_thread(workers, &err);
    pthread_cond_broadcast(&workers->work_or_closing);
}

/* A stuck job that must be reported. It is not freed meanwhile: that happens on this thread. */
static struct work *find_untold(struct workers *workers)
{
    uint64_t now_us = clock_boot_us();

    for (size_t i = 0; i < THREADS; i++) {
        const struct worker *worker = &workers->threads[i];
        struct work *work = worker->work;

        if (work != NULL && work->place.is_stuck && work->told == NULL &&
            now_us - worker->since_us >= TELL_AFTER_US) {
            work->told = strdup(lane_name(&work->place));
            return work->told == NULL ? NULL : work;
        }
    }
    return NULL;
}

/* Whether the next check has something to do. */
static bool is_moving(const struct workers *workers)
{
    for (size_t i = 0; i < THREADS; i++) {
        const struct work *work = workers->threads[i].work;

        if (work != NULL &&
            (!work->place.is_stuck || (work->told == NULL && workers->on_stuck != NULL)))
            return true;
    }
    return false;
}

/* Planned when a job starts, until all have ended: an idle process does not wake up. */
static int on_check(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct workers *workers = arg;
    struct work *work;

    (void)source;
    (void)now_us;
    pthread_mutex_lock(&workers->lock);
    look_for_stuck(workers, EVERY_US);
    while (workers->on_stuck != NULL && (work = find_untold(workers)) != NULL) {
        pthread_mutex_unlock(&workers->lock);
        workers->on_stuck(workers->arg, work->told, true);
        pthread_mutex_lock(&workers->lock);
    }
    if (is_moving(workers))
        plan_check(workers);
    pthread_mutex_unlock(&workers->lock);
    return 0;
}

void workers_watch(struct workers *workers, worker_stuck *on_stuck, void *arg)
{
    workers->on_stuck = on_stuck;
    workers->arg = arg;
}

/* -- the pool -------------------------------------------------------------------------------------
 */

static struct work *take_ended(struct workers *workers)
{
    struct work *work;

    pthread_mutex_lock(&workers->lock);
    work = workers->ended;
    if (work != NULL) {
        workers->ended = work->next;
        if (workers->ended == NULL)
            workers->ended_end = &workers->ended;
        work->progress = WORK_TOLD;
    }
    pthread_mutex_unlock(&workers->lock);
    return work;
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct workers *workers = arg;
    struct work *work;
    uint64_t count;

    (void)source;
    (void)events;
    (void)!read(fd, &count, sizeof count);
    while ((work = take_ended(workers)) != NULL) {
        if (work->told != NULL)
            workers->on_stuck(workers->arg, work->told, false);
        if (work->unheard)
            free_work(work);
        else
            slot_finish(&work->slot, &work->err);
    }
    return 0;
}

static bool open_sources(struct workers *workers, sd_event *loop, struct err *err)
{
    int r;

    workers->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = workers->wake_fd < 0
            ? -errno
            : sd_event_add_io(loop, &workers->wake, workers->wake_fd, EPOLLIN, on_ended, workers);
    if (r >= 0)
        r = sd_event_add_time_relative(loop, &workers->check, CLOCK_BOOTTIME, 0, 0, on_check,
                                       workers);
    if (r >= 0)
        r = sd_event_source_set_enabled(workers->check, SD_EVENT_OFF);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot set up worker threads");
    sd_event_source_set_description(workers->wake, "workers");
    sd_event_source_set_description(workers->check, "jobs that do not end");
    return true;
}

bool workers_open(sd_event *loop, unsigned threads, struct workers **ret_workers, struct err *err)
{
    struct workers *workers = calloc(1, sizeof *workers);
    pthread_condattr_t attributes;

    if (workers == NULL)
        return err_memory(err);
    workers->most = threads < THREADS_MOST ? threads : THREADS_MOST;
    workers->ended_end = &workers->ended;
    workers->wake_fd = -1;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&workers->work_or_closing, NULL);
    pthread_cond_init(&workers->thread_left, &attributes);
    pthread_condattr_destroy(&attributes);
    workers->lanes = lanes_new(workers->most);
    if (workers->lanes == NULL)
        err_memory(err);
    else if (open_sources(workers, loop, err)) {
        *ret_workers = workers;
        return true;
    }
    workers_close(workers, 0);
    return false;
}

static bool is_busy(const struct workers *workers)
{
    if (lanes_waiting(workers->lanes) > 0)
        return true;
    for (size_t i = 0; i < THREADS; i++)
        if (workers->threads[i].work != NULL)
            return true;
    return false;
}

/* False if jobs still run at the end of the time. */
static bool await_threads(struct workers *workers, uint64_t patience_s)
{
    struct timespec end;
    int r = 0;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)patience_s;
    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    /* There are no more checks, and jobs on other disks must still run. */
    look_for_stuck(workers, 0);
    while (r == 0 && workers->alive > 0)
        r = is_busy(workers) ? pthread_cond_timedwait(&workers->thread_left, &workers->lock, &end)
                             : pthread_cond_wait(&workers->thread_left, &workers->lock);
    pthread_mutex_unlock(&workers->lock);
    return r == 0;
}

bool workers_close(struct workers *workers, uint64_t patience_s)
{
    struct work *work;

    if (workers == NULL)
        return true;
    workers->wake = sd_event_source_disable_unref(workers->wake);
    workers->check = sd_event_source_disable_unref(workers->check);
    if (!await_threads(workers, patience_s))
        return false;
    for (size_t i = 0; i < THREADS; i++)
        if (workers->threads[i].state == THREAD_LEFT)
            pthread_join(workers->threads[i].thread, NULL);
    while ((work = take_ended(workers)) != NULL)
        free_work(work);
    if (workers->wake_fd >= 0)
        close(workers->wake_fd);
    pthread_cond_destroy(&workers->work_or_closing);
    pthread_cond_destroy(&workers->thread_left);
    pthread_mutex_destroy(&workers->lock);
    lanes_free(workers->lanes);
    free(workers);
    return true;
}

/* -- jobs -----------------------------------------------------------------------------------------
 */

static void drop_work(struct slot *slot)
{
    struct work *work = (struct work *)slot;
    struct workers *workers = work->workers;
    bool is_ours;

    pthread_mutex_lock(&workers->lock);
    is_ours = work->progress == WORK_WAITS || work->progress == WORK_TOLD;
    if (work->progress == WORK_WAITS)
        lanes_remove(workers->lanes, &work->place);
    work->unheard = true;
    pthread_mutex_unlock(&workers->lock);
    if (is_ours)
        free_work(work);
    else
        slot_close(&work->slot);
}

struct slot *worker_let_go(struct slot *slot)
{
    struct work *work = (struct work *)slot;
    bool is_told;

    if (slot == NULL)
        return NULL;
    pthread_mutex_lock(&work->workers->lock);
    is_told = work->progress == WORK_TOLD;
    work->unheard = true;
    pthread_mutex_unlock(&work->workers->lock);
    if (is_told)
        free_work(work);
    else
        slot_close(&work->slot);
    return NULL;
}

static struct work *new_work(struct workers *workers, worker_run *run, void *job,
                             worker_free *free_job, struct err *err)
{
    struct work *work = calloc(1, sizeof *work);

    if (work == NULL) {
        free_job(job);
        err_memory(err);
        return NULL;
    }
    work->workers = workers;
    work->run = run;
    work->free_job = free_job;
    work->job = job;
    return work;
}

/* Frees the work on failure. */
static bool push(struct work *work, const struct lane_key *key, enum worker_urgency urgency,
                 struct err *err)
{
    struct workers *workers = work->workers;
    bool pushed;

    pthread_mutex_lock(&workers->lock);
    pushed = lanes_push(workers->lanes, &work->place, key, urgency) || err_memory(err);
    if (pushed && !provide_thread(workers, err)) {
        lanes_remove(workers->lanes, &work->place);
        pushed = false;
    }
    if (pushed && key->name != NULL)
        plan_check(workers);
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_signal(&workers->work_or_closing);
    if (!pushed)
        free_work(work);
    return pushed;
}

struct slot *worker_start_in(struct workers *workers, const struct lane_key *key,
                             enum worker_urgency urgency, worker_run *run, void *job,
                             worker_free *free_job, slot_done *on_done, void *arg, struct err *err)
{
    sd_event *loop = sd_event_source_get_event(workers->wake);
    struct work *work = new_work(workers, run, job, free_job, err);

    if (work == NULL)
        return NULL;
    if (!slot_open(&work->slot, loop, drop_work, on_done, arg, err)) {
        free_work(work);
        return NULL;
    }
    return push(work, key, urgency, err) ? &work->slot : NULL;
}

struct slot *worker_start(struct workers *workers, enum worker_urgency urgency, worker_run *run,
                          void *job, worker_free *free_job, slot_done *on_done, void *arg,
                          struct err *err)
{
    return worker_start_in(workers, &(struct lane_key){0}, urgency, run, job, free_job, on_done,
                           arg, err);
}

bool worker_send(struct workers *workers, const struct lane_key *key, worker_run *run, void *job,
                 worker_free *free_job, struct err *err)
{
    struct work *work = new_work(workers, run, job, free_job, err);

    if (work == NULL)
        return false;
    work->unheard = true;
    return push(work, key, WORK_NEXT, err);
}
