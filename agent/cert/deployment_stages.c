#include "cert/deployment_stages.h"

#include "base/clock.h"
#include "cert/cert_directory.h"
#include "cert/consumer.h"
#include "cert/stage.h"
#include "prove/mutual.h"
#include "reload/reload.h"

#include <stdlib.h>
#include <string.h>

enum { PROOF_LEAST_S = 2, FIRST_PROOF_S = 5, LIFE_SHARE = 4 };

void deployment_cancel(struct deployment *deployment)
{
    deployment->slot = slot_drop(deployment->slot);
    deployment->job = NULL;
}

static void on_slot_done(void *arg, const struct err *slot_err)
{
    struct deployment *deployment = arg;
    const struct err err = *slot_err;

    deployment_cancel(deployment);
    deployment->end(deployment, &err);
}

/* Stores the slot of a started stage, or delivers the failure of its start in a later iteration. */
static void take_slot(struct deployment *deployment, struct slot *slot, const struct err *err)
{
    deployment->slot = stage_slot(deployment->work, slot, err, on_slot_done, deployment);
}

void stage_reload(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;
    struct stage_variables variables;
    const struct reload_tools tools = {.loop = work->tools->loop,
                                       .workers = work->tools->workers,
                                       .http = work->tools->http,
                                       .batches = &work->tools->batches};
    struct slot *slot = NULL;
    struct err err;

    work->seen = (struct prove_seen){.finding = PROVE_NOT_LOOKED};
    stage_variables_of_published(&variables, work);
    if (variables.complete)
        slot = reload_start(&tools, work->config, work->cert, variables.items, on_slot_done,
                            deployment, &err);
    else
        err_memory(&err);
    stage_variables_free(&variables);
    take_slot(deployment, slot, &err);
}

static struct cert_job *make_job(void *arg, struct err *err)
{
    const struct deployment *deployment = arg;
    const struct cert_work *work = deployment->work;

    return cert_job_new(work->config, work->cert, work->claim, NULL, err);
}

/* Runs a job that has the set to itself. */
static void start_in_set(struct deployment *deployment, bool swaps, set_make *make, worker_run *run,
                         slot_done *on_done)
{
    struct set_order order = {.urgency = WORK_NEXT,
                              .swaps = swaps,
                              .job = &deployment->job,
                              .make = make,
                              .run = run,
                              .arg = deployment};

    deployment->slot = stage_order_start(deployment->work, &order, on_done);
}

/*
 * The record is read for each proof: keeping the chains of ten thousand certificates would take
 * fifty megabytes.
 */
static void read_published(struct deployment *deployment, worker_run *run, slot_done *on_done)
{
    start_in_set(deployment, false, make_job, run, on_done);
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
    struct deployment *deployment = arg;
    struct cert_work *work = deployment->work;
    const struct prove_tools tools = prove_tools_of(work);
    struct err err = *job_err;
    struct slot *read = deployment->slot, *slot = NULL;

    if (err.kind == ERR_NONE)
        slot = mutual_start(&tools, work->config, work->cert, &deployment->job->identity,
                            &work->seen.finding, on_slot_done, deployment, &err);
    deployment->job = NULL;
    slot_drop(read);
    take_slot(deployment, slot, &err);
}

/* The key is read when it is needed, and freed after the last handshake. */
static void on_served(void *arg, const struct err *err)
{
    struct deployment *deployment = arg;

    if (err->kind != ERR_NONE) {
        on_slot_done(deployment, err);
        return;
    }
    deployment_cancel(deployment);
    read_published(deployment, job_read_identity, on_identity_read);
}

static void start_samples(struct deployment *deployment, const struct record *record)
{
    struct cert_work *work = deployment->work;
    struct stage_variables variables;
    const struct prove_tools tools = prove_tools_of(work);
    struct prove_request request = {
        .fingerprint = work->published.fingerprint,
        .serial = work->published.serial,
        .limit_s = deployment->proof_limit_s,
        .ret_evidence = deployment->evidence,
    };
    struct slot *slot = NULL;
    struct err err;

    stage_variables_of_published(&variables, work);
    request.variables = variables.items;
    if (record != NULL) {
        request.trusted = record->ca_pem;
        request.chain = record->chain_pem;
    }
    if (variables.complete)
        slot =
            prove_start(&tools, work->config, work->cert, &request, &work->seen,
                        work->cert->prove.tls.mutual ? on_served : on_slot_done, deployment, &err);
    else
        err_memory(&err);
    stage_variables_free(&variables);
    take_slot(deployment, slot, &err);
}

static void on_record_read(void *arg, const struct err *job_err)
{
    struct deployment *deployment = arg;
    struct err err = *job_err;
    struct slot *read = deployment->slot;

    if (err.kind == ERR_NONE)
        start_samples(deployment, &deployment->job->installed.record);
    else
        take_slot(deployment, NULL, &err);
    deployment->job = NULL;
    slot_drop(read);
}

static void start_proof(struct deployment *deployment, uint64_t limit_s)
{
    deployment->work->seen = (struct prove_seen){.finding = PROVE_NOT_LOOKED};
    deployment->proof_limit_s = limit_s;
    free(deployment->evidence);
    deployment->evidence = calloc(1, sizeof *deployment->evidence);
    if (deployment->work->cert->prove.method == PROVE_TLS)
        read_published(deployment, job_read_record, on_record_read);
    else
        start_samples(deployment, NULL);
}

void stage_prove(struct deployment *deployment)
{
    const struct cert_work *work = deployment->work;
    uint64_t now_s = clock_now_s(), end_s = work->published.end_s;
    uint64_t limit_s = duration_shorter(work->cert->prove_timeout_s,
                                        end_s > now_s ? (end_s - now_s) / LIFE_SHARE : 0);

    /* A consumer that has never accepted a generation may not run yet, and `leafd once` waits for
     * this. */
    if (work->state.consumer.accepted[0] == '\0')
        limit_s = duration_shorter(limit_s, FIRST_PROOF_S);
    if (work->cert->prove.method == PROVE_NONE)
        take_slot(deployment, NULL, NULL);
    else
        start_proof(deployment, limit_s < PROOF_LEAST_S ? PROOF_LEAST_S : limit_s);
}

void stage_check(struct deployment *deployment)
{
    start_proof(deployment, 0);
}

static void on_rolled_back(void *arg, const struct err *job_err)
{
    struct deployment *deployment = arg;
    struct cert_work *work = deployment->work;

    if (job_err->kind == ERR_NONE) {
        const struct cert_job *job = deployment->job;

        memcpy(work->previous, job->previous, sizeof work->previous);
        work->look.print[0] = '\0';
        cert_work_note_published(work, job->rollback_to, &job->installed.record.leaf,
                                 job->installed.record.end_s, job->installed.record.issued_s);
        cert_directory_watch(work); /* reads whether it was revoked meanwhile */
    }
    on_slot_done(deployment, job_err);
}

static struct cert_job *make_rollback(void *arg, struct err *err)
{
    struct deployment *deployment = arg;
    struct cert_work *work = deployment->work;
    struct cert_job *job = make_job(deployment, err);

    if (job == NULL)
        return NULL;
    memcpy(job->rollback_to, work->previous, sizeof job->rollback_to);
    cert_directory_expect_swap(work);
    return job;
}

void stage_roll_back(struct deployment *deployment)
{
    start_in_set(deployment, true, make_rollback, job_roll_back, on_rolled_back);
}

void deployment_note_served(struct cert_work *work, const struct err *err)
{
    struct consumer_state *consumer = &work->state.consumer;
    const struct cert_published *published = &work->published;
    const struct served_leaf *leaf = &work->seen.leaf;
    struct served_state *served = &consumer->served;
    bool is_published = work->seen.finding == PROVE_SERVED ||
                        (leaf->seen && strcmp(leaf->fingerprint, published->fingerprint) == 0);

    if (work->cert->prove.method == PROVE_NONE || err->kind == ERR_LOCAL ||
        work->seen.finding == PROVE_SAYS_NO || work->seen.finding == PROVE_NOT_LOOKED)
        return;
    if (work->seen.finding == PROVE_UNREACHABLE || work->seen.finding == PROVE_NO_TLS) {
        *served = (struct served_state){0};
        return;
    }
    served->seen_s = clock_now_s();
    /* A reply without the new leaf names no other: the old one is still served. */
    if (!is_published && !leaf->seen)
        return;
    served->foreign = !is_published && !consumer_knows_leaf(consumer, leaf->fingerprint);
    served->not_after_s = is_published ? published->end_s : leaf->not_after_s;
    memcpy(served->serial, is_published ? published->serial : leaf->serial, sizeof served->serial);
    served->chain_verified = work->seen.chain_verified;
}
