#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MOST_THREADS = 16 };

struct work {
    struct slot slot;
    struct workers *workers;
    struct work *next;
    enum worker_urgency urgency;
    worker_run *run;
    worker_free *free_job;
    void *job;
    struct err err;
    bool dropped; /* nobody waits for it any more; set and read on the loop's thread */
    enum { WORK_QUEUED, WORK_RUNNING, WORK_ENDED } progress;
};

struct work_queue {
    struct work *first, **end;
    unsigned count;
};

struct workers {
    sd_event_source *wake;
    int wake_fd;
    unsigned most;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t queued_or_closing, ended_one;
    struct work_queue queued[WORKER_URGENCIES], ended;
    unsigned started, idle, running;
    bool closing;
    pthread_t threads[MOST_THREADS];
};

static void push(struct work_queue *queue, struct work *work)
{
    work->next = NULL;
    *queue->end = work;
    queue->end = &work->next;
    queue->count++;
}

static struct work *pop(struct work_queue *queue)
{
    struct work *work = queue->first;

    if (work != NULL) {
        queue->first = work->next;
        if (queue->first == NULL)
            queue->end = &queue->first;
        queue->count--;
    }
    return work;
}

static struct work *pop_most_urgent(struct workers *workers)
{
    struct work *work = NULL;

    for (size_t i = 0; i < WORKER_URGENCIES && work == NULL; i++)
        work = pop(&workers->queued[i]);
    return work;
}

static void remove_work(struct work_queue *queue, struct work *work)
{
    for (struct work **at = &queue->first; *at != NULL; at = &(*at)->next) {
        if (*at == work) {
            *at = work->next;
            if (queue->end == &work->next)
                queue->end = at;
            queue->count--;
            return;
        }
    }
}

static void free_work(struct work *work)
{
    slot_close(&work->slot);
    work->free_job(work->job);
    free(work);
}

static void *work_loop(void *arg)
{
    struct workers *workers = arg;
    const uint64_t one = 1;

    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct work *work = pop_most_urgent(workers);

        if (work == NULL) {
            if (workers->closing)
                break;
            workers->idle++;
            pthread_cond_wait(&workers->queued_or_closing, &workers->lock);
            workers->idle--;
            continue;
        }
        work->progress = WORK_RUNNING;
        workers->running++;
        pthread_mutex_unlock(&workers->lock);
        if (work->run(work->job, &work->err))
            work->err.kind = ERR_NONE;
        pthread_mutex_lock(&workers->lock);
        work->progress = WORK_ENDED;
        workers->running--;
        push(&workers->ended, work);
        pthread_cond_broadcast(&workers->ended_one);
        /* Cannot fail: the counter would have to reach 2^64. */
        (void)!write(workers->wake_fd, &one, sizeof one);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct workers *workers = arg;
    uint64_t count;

    (void)source;
    (void)events;
    (void)!read(fd, &count, sizeof count);
    for (;;) {
        struct work *work;

        pthread_mutex_lock(&workers->lock);
        work = pop(&workers->ended);
        pthread_mutex_unlock(&workers->lock);
        if (work == NULL)
            return 0;
        if (work->dropped)
            free_work(work);
        else
            slot_finish(&work->slot, &work->err);
    }
}

bool workers_open(sd_event *loop, unsigned threads, struct workers **ret_workers, struct err *err)
{
    struct workers *workers = calloc(1, sizeof *workers);
    int r;

    if (workers == NULL)
        return err_memory(err);
    workers->most = threads < MOST_THREADS ? threads : MOST_THREADS;
    for (size_t i = 0; i < WORKER_URGENCIES; i++)
        workers->queued[i].end = &workers->queued[i].first;
    workers->ended.end = &workers->ended.first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->queued_or_closing, NULL);
    pthread_cond_init(&workers->ended_one, NULL);
    workers->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = workers->wake_fd < 0
            ? -errno
            : sd_event_add_io(loop, &workers->wake, workers->wake_fd, EPOLLIN, on_ended, workers);
    if (r < 0) {
        workers_close(workers);
        return err_errno(err, ERR_LOCAL, -r, "cannot set up worker threads");
    }
    sd_event_source_set_description(workers->wake, "workers");
    *ret_workers = workers;
    return true;
}

/* How many jobs still run. */
static unsigned send_home(struct workers *workers)
{
    unsigned running;

    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    running = workers->running;
    pthread_cond_broadcast(&workers->queued_or_closing);
    pthread_mutex_unlock(&workers->lock);
    return running;
}

void workers_abandon(struct workers *workers)
{
    if (workers == NULL)
        return;
    if (send_home(workers) == 0)
        workers_close(workers);
    else
        sd_event_source_disable_unref(workers->wake);
}

void workers_close(struct workers *workers)
{
    struct work *work;

    if (workers == NULL)
        return;
    send_home(workers);
    for (unsigned i = 0; i < workers->started; i++)
        pthread_join(workers->threads[i], NULL);
    while ((work = pop(&workers->ended)) != NULL)
        free_work(work);
    sd_event_source_disable_unref(workers->wake);
    if (workers->wake_fd >= 0)
        close(workers->wake_fd);
    pthread_cond_destroy(&workers->queued_or_closing);
    pthread_cond_destroy(&workers->ended_one);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

static void drop_work(struct slot *slot)
{
    struct work *work = (struct work *)slot;
    struct workers *workers = work->workers;
    bool ended;

    pthread_mutex_lock(&workers->lock);
    if (work->progress == WORK_QUEUED)
        remove_work(&workers->queued[work->urgency], work);
    else if (work->progress == WORK_ENDED)
        remove_work(&workers->ended, work);
    ended = work->progress != WORK_RUNNING;
    work->dropped = true;
    pthread_mutex_unlock(&workers->lock);
    if (ended)
        free_work(work);
}

/* Called with the lock held; false if there is no thread at all to do the work. */
static bool have_thread(struct workers *workers, struct err *err)
{
    int r;

    unsigned queued = 0;

    for (size_t i = 0; i < WORKER_URGENCIES; i++)
        queued += workers->queued[i].count;
    if (queued < workers->idle || workers->started == workers->most)
        return true;
    r = pthread_create(&workers->threads[workers->started], NULL, work_loop, workers);
    if (r == 0)
        workers->started++;
    return workers->started > 0 || err_errno(err, ERR_LOCAL, r, "cannot start a thread");
}

struct slot *worker_start(struct workers *workers, enum worker_urgency urgency, worker_run *run,
                          void *job, worker_free *free_job, slot_done *on_done, void *arg,
                          struct err *err)
{
    struct work *work = calloc(1, sizeof *work);
    sd_event *loop = sd_event_source_get_event(workers->wake);
    bool started;

    if (work == NULL) {
        free_job(job);
        err_memory(err);
        return NULL;
    }
    work->workers = workers;
    work->urgency = urgency;
    work->run = run;
    work->free_job = free_job;
    work->job = job;
    if (!slot_open(&work->slot, loop, drop_work, on_done, arg, err)) {
        free_work(work);
        return NULL;
    }
    pthread_mutex_lock(&workers->lock);
    started = have_thread(workers, err);
    if (started) {
        push(&workers->queued[urgency], work);
        pthread_cond_signal(&workers->queued_or_closing);
    }
    pthread_mutex_unlock(&workers->lock);
    if (!started) {
        free_work(work);
        return NULL;
    }
    return &work->slot;
}

void worker_join(struct slot *slot)
{
    struct work *work = (struct work *)slot;
    struct workers *workers = work->workers;
    bool queued;

    pthread_mutex_lock(&workers->lock);
    queued = work->progress == WORK_QUEUED;
    if (queued)
        remove_work(&workers->queued[work->urgency], work);
    while (work->progress == WORK_RUNNING)
        pthread_cond_wait(&workers->ended_one, &workers->lock);
    if (queued)
        work->progress = WORK_ENDED;
    pthread_mutex_unlock(&workers->lock);
    if (queued) {
        if (work->run(work->job, &work->err))
            work->err.kind = ERR_NONE;
        slot_finish(&work->slot, &work->err);
    }
}
