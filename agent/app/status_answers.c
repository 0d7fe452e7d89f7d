#include "app/status_answers.h"

#include "app/control.h"
#include "app/status.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_ROWS = 200 };

/* A worker's job: reads a page of the sets. */
struct job {
    struct config *config;
    size_t first;
    char *cert; /* only this one, with everything about it; NULL: a page */
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
    status_memory *memory;
    void *arg;
    struct request requests[SERVE_CONNECTIONS_MOST];
};

static bool run_job(void *arg, struct err *err)
{
    struct job *job = arg;

    job->rows = job->cert == NULL ? status_read(job->config, job->first, PAGE_ROWS, false, err)
                                  : status_read_named(job->config, job->cert, err);
    return job->rows != NULL;
}

static void free_job(void *arg)
{
    struct job *job = arg;

    json_decref(job->rows);
    config_unref(job->config);
    free(job->cert);
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

/* Adds to each row what only the agent remembers; false if memory ran out. */
static bool add_memory(const struct status_answers *answers, const struct job *job)
{
    json_t *row;
    size_t i;

    json_array_foreach (job->rows, i, row)
        if (!answers->memory(answers->arg, row, job->cert != NULL))
            return false;
    return true;
}

static void on_read(void *arg, const struct err *err)
{
    struct request *request = arg;
    const struct job *job = request->job;
    size_t count = job->cert == NULL ? job->config->cert_count : 1;
    json_t *document = NULL;

    if (err->kind != ERR_NONE) {
        refuse(request->serve, CONTROL_FAILED, err->text);
    } else if (job->cert != NULL && json_array_size(job->rows) == 0) {
        refuse(request->serve, CONTROL_UNKNOWN, "no certificate has that name");
    } else {
        if (add_memory(request->answers, job))
            document = status_document(json_incref(request->agent), json_incref(job->rows));
        json_object_set_new(document, "count", json_integer((json_int_t)count));
        serve_answer(request->serve, CONTROL_APPLIED, document);
    }
    end(request);
}

static struct job *new_job(struct config *config, const struct serve_request *serve)
{
    const char *from = serve_query(serve, "from"), *cert = serve_query(serve, "cert");
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    if (cert != NULL && (job->cert = strdup(cert)) == NULL) {
        free(job);
        return NULL;
    }
    job->config = config_ref(config);
    job->first = from == NULL ? 0 : strtoul(from, NULL, 10);
    if (job->first > config->cert_count)
        job->first = config->cert_count;
    return job;
}

bool status_answers_open(struct workers *workers, status_memory *memory, void *arg,
                         struct status_answers **ret_answers, struct err *err)
{
    struct status_answers *answers = calloc(1, sizeof *answers);

    if (answers == NULL)
        return err_memory(err);
    answers->workers = workers;
    answers->memory = memory;
    answers->arg = arg;
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
