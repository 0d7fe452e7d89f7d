#include "app/status_answers.h"

#include "app/control.h"
#include "app/status.h"
#include "base/cleanup.h"

#include <stdlib.h>

enum { PAGE_ROWS = 200 };

/* A worker's job: reads a page of the sets. */
struct job {
    struct config *config;
    size_t first;
    json_t *rows;
};

struct request {
    struct status_answers *answers;
    struct serve_request *serve; /* NULL: the place is free */
    struct slot *slot;
    struct job *job; /* borrowed from the slot */
    json_t *agent;
};

struct status_answers {
    struct workers *workers;
    struct request requests[SERVE_CONNECTIONS_MOST];
};

static bool run_job(void *arg, struct err *err)
{
    struct job *job = arg;

    job->rows = status_read(job->config, job->first, PAGE_ROWS, err);
    return job->rows != NULL;
}

static void free_job(void *arg)
{
    struct job *job = arg;

    json_decref(job->rows);
    config_unref(job->config);
    free(job);
}

static void refuse(struct serve_request *serve, enum control_status status, const char *why)
{
    serve_answer(serve, status, json_pack("{s:s}", "error", why));
}

static void end(struct request *request)
{
    slot_drop(request->slot);
    json_decref(request->agent);
    *request = (struct request){.answers = request->answers};
}

static void on_read(void *arg, const struct err *err)
{
    struct request *request = arg;
    const struct job *job = request->job;

    if (err->kind != ERR_NONE)
        refuse(request->serve, CONTROL_FAILED, err->text);
    else
        serve_answer(request->serve, CONTROL_APPLIED,
                     json_pack("{s:s, s:O, s:O, s:I}", "source", "agent", "agent", request->agent,
                               "certs", job->rows, "count", (json_int_t)job->config->cert_count));
    end(request);
}

static struct job *new_job(struct config *config, const struct serve_request *serve)
{
    const char *from = serve_query(serve, "from");
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->config = config_ref(config);
    job->first = from == NULL ? 0 : strtoul(from, NULL, 10);
    if (job->first > config->cert_count)
        job->first = config->cert_count;
    return job;
}

bool status_answers_open(struct workers *workers, struct status_answers **ret_answers,
                         struct err *err)
{
    struct status_answers *answers = calloc(1, sizeof *answers);

    if (answers == NULL)
        return err_memory(err);
    answers->workers = workers;
    for (size_t i = 0; i < SERVE_CONNECTIONS_MOST; i++)
        answers->requests[i].answers = answers;
    *ret_answers = answers;
    return true;
}

/* The connections are as many at most; one of a client that has left may still be answered. */
static struct request *find_place(struct status_answers *answers)
{
    for (size_t i = 0; i < SERVE_CONNECTIONS_MOST; i++)
        if (answers->requests[i].serve == NULL)
            return &answers->requests[i];
    return NULL;
}

void status_answers_add(struct status_answers *answers, struct config *config, json_t *agent,
                        struct serve_request *serve)
{
    const struct lane_key lane = lane_of("leafd status");
    struct request *request = find_place(answers);
    struct job *job = request == NULL ? NULL : new_job(config, serve);
    struct err err;

    if (job == NULL) {
        json_decref(agent);
        refuse(serve, CONTROL_BUSY, "the agent is busy");
        return;
    }
    request->job = job;
    request->serve = serve;
    request->agent = agent;
    request->slot = worker_start_in(answers->workers, &lane, WORK_NEXT, run_job, job, free_job,
                                    on_read, request, &err);
    if (request->slot != NULL)
        return;
    refuse(serve, CONTROL_FAILED, err.text);
    end(request);
}

void status_answers_close(struct status_answers *answers)
{
    if (answers == NULL)
        return;
    for (size_t i = 0; i < SERVE_CONNECTIONS_MOST; i++)
        if (answers->requests[i].serve != NULL) {
            refuse(answers->requests[i].serve, CONTROL_BUSY, "the agent is stopping");
            end(&answers->requests[i]);
        }
    free(answers);
}
