#include "cert/consumer_stages.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cert/cert_directory.h"
#include "prove/mutual.h"
#include "prove/prove.h"
#include "reload/reload.h"

#include <string.h>
#include <unistd.h>

enum { VARIABLES_MOST = 8, PROOF_LEAST_S = 2, FIRST_PROOF_S = 5 };

/* The environment of the operator's commands; texts live in the arena. */
struct variables {
    struct arena arena;
    const char *items[VARIABLES_MOST + 1];
    size_t count;
    bool complete;
};

__attribute__((format(printf, 2, 3))) static void add(struct variables *variables,
                                                      const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vformat(&variables->arena, format, args);
    va_end(args);
    if (text == NULL || variables->count == VARIABLES_MOST)
        variables->complete = false;
    else
        variables->items[variables->count++] = text;
}

static struct variables variables_of(const struct cert_config *cert)
{
    struct variables variables = {.complete = true};

    add(&variables, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    add(&variables, "LEAFD_CERT=%s", cert->name);
    add(&variables, "LEAFD_DIRECTORY=%s", cert->directory);
    return variables;
}

static struct variables variables_of_published(const struct cert_work *work)
{
    const struct cert_published *published = &work->published;
    struct variables variables = variables_of(work->cert);

    add(&variables, "LEAFD_GENERATION=%s/%s", work->cert->directory, published->generation);
    add(&variables, "LEAFD_SERIAL=%s", published->serial);
    add(&variables, "LEAFD_SHA256=%s", published->fingerprint);
    return variables;
}

/* What a stage's start gave, or its failure, which is delivered later as always. */
static void take_slot(struct cert_work *work, struct slot *slot, const struct err *err)
{
    work->slot = slot;
    if (slot == NULL)
        cert_work_fail(work, err);
}

void stage_validate(struct cert_work *work)
{
    struct variables variables;
    struct child_order order = {
        .what = "validate",
        .argv = &work->cert->validate,
        .limit_s = work->cert->command_timeout_s,
    };
    struct slot *slot = NULL;
    struct err err;

    if (work->cert->validate.count == 0) {
        slot_finish(&work->later, NULL);
        return;
    }
    variables = variables_of(work->cert);
    add(&variables, "LEAFD_STAGED=%s/%s", work->cert->directory, work->draft->generation);
    order.variables = variables.items;
    if (variables.complete)
        slot = child_start(work->tools->loop, &order, cert_work_slot_done, work, &err);
    else
        err_memory(&err);
    arena_free(&variables.arena);
    take_slot(work, slot, &err);
}

void stage_reload(struct cert_work *work)
{
    struct variables variables = variables_of_published(work);
    const struct reload_tools tools = {.loop = work->tools->loop,
                                       .workers = work->tools->workers,
                                       .http = work->tools->http,
                                       .turns = &work->tools->turns};
    struct slot *slot = NULL;
    struct err err;

    work->seen = (struct prove_seen){.finding = PROVE_NOT_LOOKED};
    if (variables.complete)
        slot = reload_start(&tools, work->config, work->cert, variables.items, cert_work_slot_done,
                            work, &err);
    else
        err_memory(&err);
    arena_free(&variables.arena);
    take_slot(work, slot, &err);
}

/*
 * What a proof needs of the published set is read when it is wanted: the chains of ten thousand
 * certificates that rest would be some fifty megabytes.
 */
static void read_published(struct cert_work *work, worker_run *run, slot_done *on_done)
{
    struct err err;
    struct cert_job *job = cert_job_new(work->config, work->cert, work->claim, NULL, &err);

    if (job == NULL) {
        cert_work_fail(work, &err);
        return;
    }
    work->job = job;
    take_slot(
        work,
        worker_start(work->tools->workers, WORK_NEXT, run, job, cert_job_free, on_done, work, &err),
        &err);
    if (work->slot == NULL)
        work->job = NULL;
}

static struct prove_tools prove_tools_of(const struct cert_work *work)
{
    return (struct prove_tools){.loop = work->tools->loop,
                                .lookups = work->tools->lookups,
                                .workers = work->tools->workers,
                                .http = work->tools->http,
                                .handshakes = &work->tools->handshakes};
}

static void on_identity_read(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;
    const struct prove_tools tools = prove_tools_of(work);
    struct err err = *job_err;
    struct slot *read = work->slot, *slot = NULL;

    if (err.kind == ERR_NONE)
        slot = mutual_start(&tools, work->config, work->cert, &work->job->identity,
                            &work->seen.finding, cert_work_slot_done, work, &err);
    work->job = NULL;
    slot_drop(read);
    take_slot(work, slot, &err);
}

/* The key is read when it is wanted, and gone with the last peer. */
static void on_served(void *arg, const struct err *err)
{
    struct cert_work *work = arg;

    if (err->kind != ERR_NONE) {
        cert_work_slot_done(work, err);
        return;
    }
    work->slot = slot_drop(work->slot);
    read_published(work, job_read_identity, on_identity_read);
}

static void start_samples(struct cert_work *work, const struct record *record)
{
    struct variables variables = variables_of_published(work);
    const struct prove_tools tools = prove_tools_of(work);
    struct prove_request request = {
        .fingerprint = work->published.fingerprint,
        .serial = work->published.serial,
        .variables = variables.items,
        .limit_s = work->proof_limit_s,
    };
    struct slot *slot = NULL;
    struct err err;

    if (record != NULL) {
        request.trusted = record->ca_pem;
        request.chain = record->chain_pem;
    }
    if (variables.complete)
        slot =
            prove_start(&tools, work->config, work->cert, &request, &work->seen,
                        work->cert->prove.tls.mutual ? on_served : cert_work_slot_done, work, &err);
    else
        err_memory(&err);
    arena_free(&variables.arena);
    take_slot(work, slot, &err);
}

static void on_record_read(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;
    struct err err = *job_err;
    struct slot *read = work->slot;

    if (err.kind == ERR_NONE)
        start_samples(work, &work->job->installed.record);
    else
        cert_work_fail(work, &err);
    work->job = NULL;
    slot_drop(read);
}

static void start_proof(struct cert_work *work, uint64_t limit_s)
{
    work->seen = (struct prove_seen){.finding = PROVE_NOT_LOOKED};
    work->proof_limit_s = limit_s;
    if (work->cert->prove.method == PROVE_TLS)
        read_published(work, job_read_record, on_record_read);
    else
        start_samples(work, NULL);
}

static void prove_within(struct cert_work *work, uint64_t limit_s)
{
    if (work->cert->prove.method == PROVE_NONE)
        slot_finish(&work->later, NULL);
    else
        start_proof(work, limit_s < PROOF_LEAST_S ? PROOF_LEAST_S : limit_s);
}

/* What is left of its life is for the next certificate, so that a proof may not take much of it. */
static uint64_t share_of_life_s(const struct cert_work *work)
{
    uint64_t now_s = clock_now_s(), end_s = work->published.end_s;

    return end_s > now_s ? (end_s - now_s) / 4 : 0;
}

void stage_prove(struct cert_work *work)
{
    uint64_t now_s = clock_now_s(), due_s = work->published.due_s;
    uint64_t limit_s = work->cert->prove_timeout_s;

    /* One that never took anything may not run yet, and whoever waits for `once` waits for this. */
    if (work->state.consumer.accepted[0] == '\0')
        limit_s = duration_shorter(limit_s, FIRST_PROOF_S);
    /* A consumer that never takes it must not keep the next certificate from being asked for. */
    prove_within(work,
                 duration_shorter(limit_s, due_s > now_s ? due_s - now_s : share_of_life_s(work)));
}

void stage_prove_back(struct cert_work *work)
{
    prove_within(work, duration_shorter(work->cert->prove_timeout_s, share_of_life_s(work)));
}

void stage_check(struct cert_work *work)
{
    start_proof(work, 0);
}

static void on_rolled_back(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;
    struct cert_job *job = work->job;
    const struct err err = *job_err;

    if (err.kind == ERR_NONE) {
        memcpy(work->previous, job->previous, sizeof work->previous);
        work->look.print[0] = '\0';
        cert_work_note_published(work, job->rollback_to, &job->installed.record.leaf,
                                 job->installed.record.end_s, job->installed.record.issued_s);
    }
    work->job = NULL;
    work->slot = slot_drop(work->slot);
    work->deliver(work, err.kind == ERR_NONE ? EV_DONE : EV_FAILED, &err);
}

void stage_roll_back(struct cert_work *work)
{
    struct err err;
    struct cert_job *job = cert_job_new(work->config, work->cert, work->claim, NULL, &err);

    if (job == NULL) {
        cert_work_fail(work, &err);
        return;
    }
    memcpy(job->rollback_to, work->previous, sizeof job->rollback_to);
    cert_directory_expect_swap(work, job);
    work->job = job;
    take_slot(work,
              worker_start(work->tools->workers, WORK_NEXT, job_roll_back, job, cert_job_free,
                           on_rolled_back, work, &err),
              &err);
    if (work->slot == NULL)
        work->job = NULL;
}
