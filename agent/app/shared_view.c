#include "app/shared_view.h"

#include "app/status.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

enum {
    PAGE_ROWS = 200,
    FRESH_LEAST_MS = 1000,
    SHARE_OF_TIME = 50,  /* making a text costs one part of so many of the time */
    PATIENCE_S = 20,     /* of a request; serve cuts a connection by TCP after 30 */
    STATUS_FAILED = 500, /* of HTTP */
    STATUS_BUSY = 503
};

/* A worker's job: adds the page that was read, and reads the next one, or ends the text. */
struct job {
    const struct view_maker *maker;
    void *making;
    struct config *config;
    size_t first; /* of `rows` */
    json_t *rows; /* NULL: none was read yet */
    struct serve_text *text;
    uint64_t cpu_us;
};

struct shared_view {
    const struct view_source *source;
    const struct view_maker *maker;
    struct slot *slot;       /* NULL: nothing is being made */
    struct job *job;         /* borrowed from the slot */
    struct serve_text *text; /* NULL: none is fresh */
    sd_event_source *timer;  /* of the requests that wait, or of the text */
    struct serve_request *waiting[SERVE_CONNECTIONS_ALL];
    size_t count;
};

/* -- on a worker ----------------------------------------------------------------------------------
 */

static uint64_t cpu_us(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool go_on(struct job *job, struct err *err)
{
    if (job->rows != NULL) {
        if (!job->maker->add(job->making, job->config, job->rows, job->first))
            return err_memory(err);
        job->first += json_array_size(job->rows);
        json_decref(job->rows);
        job->rows = NULL;
    }
    if (job->first < job->config->cert_count) {
        job->rows = status_read(job->config, job->first, PAGE_ROWS, false, err);
        return job->rows != NULL;
    }
    job->text = job->maker->end(job->making);
    return job->text != NULL || err_memory(err);
}

static bool run_job(void *arg, struct err *err)
{
    struct job *job = arg;
    uint64_t before_us = cpu_us();
    bool is_done = go_on(job, err);

    job->cpu_us += cpu_us() - before_us;
    return is_done;
}

static void free_job(void *arg)
{
    struct job *job = arg;

    if (job->making != NULL)
        job->maker->free(job->making);
    config_unref(job->config);
    json_decref(job->rows);
    serve_text_unref(job->text);
    free(job);
}

/* -- on the loop ----------------------------------------------------------------------------------
 */

static void refuse_all(struct shared_view *view, unsigned status, const char *why)
{
    for (size_t i = 0; i < view->count; i++)
        serve_refuse(view->waiting[i], status, why);
    view->count = 0;
}

static void arm(struct shared_view *view, uint64_t wait_us)
{
    sd_event_source_set_time_relative(view->timer, wait_us);
    sd_event_source_set_enabled(view->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct shared_view *view = arg;

    (void)source;
    (void)now_us;
    refuse_all(view, STATUS_BUSY,
               "the files of the certificates could not be read in time; a disk may hang");
    if (view->slot == NULL) {
        serve_text_unref(view->text);
        view->text = NULL;
    }
    return 0;
}

static void on_run(void *arg, const struct err *err);

/* Takes the job in any case. */
static bool start_job(struct shared_view *view, struct job *job, struct err *err)
{
    const struct lane_key lane = lane_of("leafd status");

    view->job = job;
    view->slot = worker_start_in(view->source->workers, &lane, WORK_NEXT, run_job, job, free_job,
                                 on_run, view, err);
    return view->slot != NULL;
}

static void finish(struct shared_view *view, const struct job *job)
{
    uint64_t fresh_us = job->cpu_us * (SHARE_OF_TIME - 1);

    if (fresh_us < FRESH_LEAST_MS * 1000ULL)
        fresh_us = FRESH_LEAST_MS * 1000ULL;
    view->text = serve_text_ref(job->text);
    for (size_t i = 0; i < view->count; i++)
        serve_reply(view->waiting[i], view->text);
    view->count = 0;
    arm(view, fresh_us);
}

/* The job that has run is freed with its slot: its successor takes what it holds. */
static bool continue_job(struct shared_view *view, struct err *err)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return err_memory(err);
    *job = *view->job;
    view->job->making = NULL;
    view->job->config = NULL;
    view->job->rows = NULL;
    slot_drop(view->slot);
    if (job->maker->note != NULL)
        job->maker->note(job->making, view->source->arg, job->rows, job->first);
    return start_job(view, job, err);
}

static void on_run(void *arg, const struct err *run_err)
{
    struct shared_view *view = arg;
    struct err err = *run_err;

    if (err.kind == ERR_NONE && view->job->text == NULL && continue_job(view, &err))
        return;
    if (err.kind == ERR_NONE)
        finish(view, view->job);
    else
        refuse_all(view, STATUS_FAILED, err.text);
    view->slot = slot_drop(view->slot);
    view->job = NULL;
}

static bool begin(struct shared_view *view, struct err *err)
{
    const struct view_source *source = view->source;
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return err_memory(err);
    job->maker = view->maker;
    job->config = config_ref(source->config_of(source->arg));
    job->making = view->maker->begin(source->arg);
    if (job->making == NULL) {
        free_job(job);
        return err_memory(err);
    }
    return start_job(view, job, err);
}

bool shared_view_open(const struct view_source *source, const struct view_maker *maker,
                      struct shared_view **ret_view, struct err *err)
{
    struct shared_view *view = calloc(1, sizeof *view);
    int r;

    if (view == NULL)
        return err_memory(err);
    view->source = source;
    view->maker = maker;
    r = sd_event_add_time(source->loop, &view->timer, CLOCK_BOOTTIME, 0, 0, on_timer, view);
    if (r >= 0)
        r = sd_event_source_set_enabled(view->timer, SD_EVENT_OFF);
    if (r < 0) {
        free(view);
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    *ret_view = view;
    return true;
}

void shared_view_ask(struct shared_view *view, struct serve_request *request)
{
    struct err err;

    if (view->text != NULL) {
        serve_reply(request, view->text);
        return;
    }
    /* The connections are as many at most; one of a client that has left may still wait. */
    if (view->count == sizeof view->waiting / sizeof *view->waiting) {
        serve_refuse(request, STATUS_BUSY, "the agent is busy");
        return;
    }
    if (view->slot == NULL && !begin(view, &err)) {
        serve_refuse(request, STATUS_FAILED, err.text);
        return;
    }
    if (view->count == 0)
        arm(view, PATIENCE_S * 1000000ULL);
    view->waiting[view->count++] = request;
}

void shared_view_close(struct shared_view *view)
{
    if (view == NULL)
        return;
    refuse_all(view, STATUS_BUSY, "the agent is stopping");
    slot_drop(view->slot);
    sd_event_source_disable_unref(view->timer);
    serve_text_unref(view->text);
    free(view);
}
