#include "cert/issuance_stages.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/issuance_read.h"
#include "cert/key_job.h"
#include "cert/stage.h"
#include "cert/trust_job.h"

#include <string.h>

bool issuance_rests(const struct issuance *issuance)
{
    return issuance->state == ISSUANCE_IDLE || issuance->state == ISSUANCE_HOLDING ||
           issuance->state == ISSUANCE_BACKING_OFF || issuance->state == ISSUANCE_WITHDRAWN;
}

bool issuance_is_held(const struct issuance *issuance)
{
    return issuance->state == ISSUANCE_HOLDING ||
           (issuance->state == ISSUANCE_IDLE && issuance->work->state.ca.held_until_s != 0);
}

void issuance_cancel(struct issuance *issuance)
{
    issuance->slot = slot_drop(issuance->slot);
    issuance->job = NULL;
}

void issuance_release(struct issuance *issuance)
{
    cert_work_drop_draft(issuance->work);
    issuance->turn = slot_drop(issuance->turn);
    config_unref(TAKE(issuance->config));
}

static void on_slot_done(void *arg, const struct err *slot_err)
{
    struct issuance *issuance = arg;
    const struct err err = *slot_err;

    issuance->slot = slot_drop(issuance->slot);
    issuance->end(issuance, err.kind == ERR_NONE ? ISSUANCE_ON_DONE : ISSUANCE_ON_FAILED, &err);
}

/* Stores the slot of a started stage, or delivers the failure of its start in a later iteration. */
static void take_slot(struct issuance *issuance, struct slot *slot, const struct err *err)
{
    issuance->slot = stage_slot(issuance->work, slot, err, on_slot_done, issuance);
}

/* -- stages on workers ----------------------------------------------------------------------------
 */

/* A job that owns the draft. */
static struct cert_job *new_job(struct issuance *issuance, struct err *err)
{
    struct cert_work *work = issuance->work;

    return cert_job_new(work->config, work->cert, work->claim, TAKE(work->draft), err);
}

/* Ends the stage. The access to the set ends after the transition, when both machines know what is
 * published: a waiting rollback of an older generation is dropped then. */
static void tell_end(struct issuance *issuance, enum issuance_event event, const struct err *err)
{
    struct slot *access = TAKE(issuance->slot);

    issuance->job = NULL;
    issuance->end(issuance, event, err);
    slot_drop(access);
}

static void end_job(struct issuance *issuance, enum issuance_event event, const struct err *err)
{
    if (issuance->job != NULL)
        issuance->work->draft = TAKE(issuance->job->draft);
    tell_end(issuance, err->kind == ERR_NONE ? event : ISSUANCE_ON_FAILED, err);
}

static void on_job_done(void *arg, const struct err *job_err)
{
    const struct err err = *job_err;

    end_job(arg, ISSUANCE_ON_DONE, &err);
}

/* Runs a job that does not touch the set, beside other jobs on it. */
static void start_job(struct issuance *issuance, set_make *make, worker_run *run,
                      slot_done *on_done)
{
    const struct set_place place = cert_work_place(issuance->work);
    struct err err;
    struct cert_job *job = make(issuance, &err);
    struct slot *slot = NULL;

    if (job != NULL)
        slot = set_job_start(&place, WORK_NEXT, run, job, on_done, issuance, &err);
    issuance->job = slot == NULL ? NULL : job;
    take_slot(issuance, slot, &err);
}

/* Runs a job that has the set to itself. */
static void start_in_set(struct issuance *issuance, set_make *make, worker_run *run,
                         slot_done *on_done)
{
    const struct set_place place = cert_work_place(issuance->work);
    const bool reads = run == job_read_disk;
    struct set_order order = {
        .gate = reads ? &issuance->work->tools->reads : NULL,
        .disk = reads ? set_lane(&place).disk : 0,
        /* Jobs of a certificate on its way come before reads, so that the CA is kept busy. */
        .urgency = reads ? WORK_WHEN_IDLE : WORK_NEXT,
        .swaps = reads || run == job_publish,
        /* A held generation stays on disk for the next read. */
        .stages = run == job_stage || (run == job_publish && !cert_work_holds(issuance->work)),
        .job = &issuance->job,
        .make = make,
        .run = run,
        .arg = issuance,
    };

    issuance->slot = stage_order_start(issuance->work, &order, on_done);
}

static void on_read(void *arg, const struct err *job_err)
{
    struct issuance *issuance = arg;
    struct err err = *job_err;
    enum issuance_event event =
        issuance->job == NULL ? ISSUANCE_ON_FAILED : issuance_take_read(issuance, &err);

    tell_end(issuance, event, &err);
}

static struct cert_job *make_read(void *arg, struct err *err)
{
    struct issuance *issuance = arg;
    struct cert_work *work = issuance->work;
    struct cert_job *job = new_job(issuance, err);

    if (job == NULL)
        return NULL;
    memcpy(job->previous, work->previous, sizeof job->previous);
    memcpy(job->held, work->state.held, sizeof job->held);
    memcpy(job->published, work->published.generation, sizeof job->published);
    cert_directory_expect_swap(work);
    return job;
}

void stage_read(struct issuance *issuance)
{
    start_in_set(issuance, make_read, job_read_disk, on_read);
}

static void on_key_made(void *arg, const struct err *job_err)
{
    const struct issuance *issuance = arg;

    if (issuance->job != NULL && issuance->job->damage[0] != '\0')
        cert_log_new_key(issuance->work, issuance->job->damage);
    on_job_done(arg, job_err);
}

static struct cert_job *make_for_key(void *arg, struct err *err)
{
    struct issuance *issuance = arg;
    const struct trouble *trouble = &issuance->work->state.issuing;
    struct cert_job *job = new_job(issuance, err);

    if (job == NULL)
        return NULL;
    /* On a full disk the state was not saved, so a new process does not know of the failure. */
    job->rehearse = trouble_err(trouble)->kind == ERR_LOCAL ||
                    (!issuance->tried && issuance->work->published.generation[0] != '\0');
    job->keep_key = issuance->work->cert->key_rotation == KEY_ROTATE_NEVER &&
                    issuance->work->cert->key_origin.source != KEY_FROM_FILE;
    return job;
}

void stage_make_key(struct issuance *issuance)
{
    start_job(issuance, make_for_key, job_make_key, on_key_made);
}

/* Whether peers must learn a new issuer before its first certificate is published. */
static bool guards_peers(const struct cert_work *work)
{
    const struct agent_config *agent = &work->config->agent;
    const struct cert_published *published = &work->published;

    return (work->in_time || work->early_renewal.other_issuer) && work->tools->stays &&
           agent->ca_poll_s > 0 && work->cert->trust_anchor == NULL && published->usable;
}

static void on_vetted(void *arg, const struct err *job_err)
{
    struct issuance *issuance = arg;
    const struct err err = *job_err;
    bool is_unchanged = false;

    if (err.kind == ERR_NONE) {
        is_unchanged = issuance->job->is_unchanged;
        issuance->work->bundle_read_s = clock_now_s();
        cert_log_issued(issuance->work, &issuance->job->draft->issued);
    }
    end_job(issuance, is_unchanged ? ISSUANCE_ON_UNCHANGED : ISSUANCE_ON_DONE, &err);
}

static struct cert_job *make_for_vet(void *arg, struct err *err)
{
    struct issuance *issuance = arg;
    const struct cert_work *work = issuance->work;
    struct cert_job *job = new_job(issuance, err);

    if (job == NULL)
        return NULL;
    memcpy(job->current_serial, work->published.serial, sizeof job->current_serial);
    job->cache = work->tools->cache;
    job->guards_peers = guards_peers(work);
    return job;
}

void stage_vet(struct issuance *issuance)
{
    start_job(issuance, make_for_vet, issuance->work->cert->is_trust ? job_vet_bundle : job_vet,
              on_vetted);
}

static struct cert_job *make_for_recover(void *arg, struct err *err)
{
    struct issuance *issuance = arg;
    const struct cert_work *work = issuance->work;
    struct cert_job *job = new_job(issuance, err);

    if (job != NULL && work->state.ca.held_until_s != 0)
        memcpy(job->held, work->state.held, sizeof job->held);
    return job;
}

void stage_recover(struct issuance *issuance)
{
    start_in_set(issuance, make_for_recover, job_recover, on_job_done);
}

/* Whether holding it would leave a gap; another request may not. */
static bool begins_too_late(const struct cert_work *work, const struct validity *validity)
{
    return work->published.usable && validity->not_before >= work->published.end_s;
}

static void on_staged(void *arg, const struct err *job_err)
{
    struct issuance *issuance = arg;
    const struct cert_work *work = issuance->work;
    struct err err = *job_err;
    enum issuance_event event = ISSUANCE_ON_DONE;

    if (err.kind == ERR_NONE) {
        const struct cert_draft *draft = issuance->job->draft;
        const struct certificate_facts *leaf = &draft->issued.leaf;

        if (draft->is_of_unknown_issuer)
            event = ISSUANCE_ON_UNKNOWN_ISSUER;
        /* A published certificate that is staged again is not held, even if the clock was set
         * back. */
        if (leaf->validity.not_before > clock_now_s() &&
            strcmp(leaf->serial, work->published.serial) != 0)
            event = ISSUANCE_ON_EARLY;
        if (event == ISSUANCE_ON_EARLY && begins_too_late(work, &leaf->validity))
            err_set(&err, ERR_UNTRUSTED,
                    "it is valid only after the published one has ended; the CA's clock is ahead, "
                    "or this machine's is behind");
    }
    end_job(issuance, event, &err);
}

static struct cert_job *make_plain(void *arg, struct err *err)
{
    return new_job(arg, err);
}

void stage_stage(struct issuance *issuance)
{
    start_in_set(issuance, make_plain, job_stage, on_staged);
}

/* Stores what is published now. */
static void take_published(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    const struct cert_job *job = issuance->job;
    const struct cert_draft *draft = job->draft;
    bool was_heeded = strcmp(work->heeded.generation, job->previous) == 0 &&
                      work->heeded.revocation == job->revocation;

    issuance->repairable = false;
    if (issuance->next_try_us != 0)
        memcpy(issuance->repaired, draft->generation, sizeof issuance->repaired);
    cert_directory_note_previous(work, job->previous);
    /* If the certificate is the same, held generation and issuers stay. */
    if (strcmp(work->published.serial, draft->issued.leaf.serial) != 0) {
        cert_work_forget_held(work);
        cert_work_note_issued(work, &draft->issued.leaf);
    }
    cert_work_note_published(work, draft->generation, &draft->issued.leaf, draft->issued.end_s,
                             draft->issued.issued_s);
    memcpy(work->look.print, job->print, sizeof work->look.print);
    /* The mark moves with the certificate to its new generation. */
    cert_work_heed(work, was_heeded ? job->revocation : REVOCATION_NONE);
    cert_log_link_failed(work, &job->link_failure);
}

static void on_published(void *arg, const struct err *job_err)
{
    struct issuance *issuance = arg;
    struct cert_work *work = issuance->work;
    const struct err err = *job_err;
    enum revocation revocation = REVOCATION_NONE;
    char generation[GENERATION_NAME_BYTES] = "";

    if (err.kind == ERR_NONE) {
        revocation = issuance->job->revocation;
        take_published(issuance);
        memcpy(generation, work->published.generation, sizeof generation);
    }
    end_job(issuance, ISSUANCE_ON_DONE, &err);
    /* The end may have brought another configuration with another directory. */
    if (strcmp(work->published.generation, generation) == 0)
        cert_work_tell_mark(work, revocation);
}

static struct cert_job *make_for_publish(void *arg, struct err *err)
{
    struct issuance *issuance = arg;
    struct cert_work *work = issuance->work;
    struct cert_job *job = new_job(issuance, err);

    if (job == NULL)
        return NULL;
    memcpy(job->current_serial, work->published.serial, sizeof job->current_serial);
    cert_directory_expect_swap(work);
    return job;
}

void stage_publish(struct issuance *issuance)
{
    start_in_set(issuance, make_for_publish, job_publish, on_published);
}

/* -- stages that wait for others ------------------------------------------------------------------
 */

/* The turn is kept, also after a failure, until issuance rests. */
static void on_turn(void *arg, const struct err *turn_err)
{
    struct issuance *issuance = arg;
    const struct err err = *turn_err;
    char *asked_with = issuance->work->asked_with;

    snprintf(asked_with, sizeof issuance->work->asked_with, "%s", ca_turn_stamp(issuance->turn));
    issuance->end(issuance, err.kind == ERR_NONE ? ISSUANCE_ON_DONE : ISSUANCE_ON_FAILED, &err);
}

static bool begin_draft(struct issuance *issuance, struct err *err)
{
    struct cert_work *work = issuance->work;

    issuance_release(issuance);
    work->draft = cert_draft_new();
    if (work->draft == NULL)
        return err_memory(err);
    return true;
}

static void queue(struct issuance *issuance, bool logs_in)
{
    struct cert_work *work = issuance->work;
    struct err err;

    if (begin_draft(issuance, &err))
        issuance->turn =
            logs_in ? ca_turn_start(work->tools->ca, work->cert, cert_work_patience_ms(work),
                                    on_turn, issuance, &err)
                    : ca_permit_start(work->tools->ca, work->cert, on_turn, issuance, &err);
    if (issuance->turn == NULL)
        take_slot(issuance, NULL, &err);
}

/* The issuers are public. */
void stage_queue(struct issuance *issuance)
{
    queue(issuance, !issuance->work->cert->is_trust);
}

void stage_queue_to_restage(struct issuance *issuance)
{
    queue(issuance, false);
}

void stage_sign(struct issuance *issuance)
{
    const struct cert_work *work = issuance->work;
    struct ca *ca = work->tools->ca;
    struct cert_draft *draft = work->draft;
    const char *csr =
        work->cert->key_origin.source == KEY_FROM_VAULT ? NULL : bytes_text(&draft->csr);
    struct slot *slot;
    struct err err;

    /* The request uses the section until it has ended. */
    config_unref(issuance->config);
    issuance->config = config_ref(work->config);
    if (work->cert->is_trust)
        slot = ca_bundle_start(ca, work->cert, &draft->reply, on_slot_done, issuance, &err);
    else
        slot = ca_sign_start(ca, work->cert, cert_work_patience_ms(work), csr, &draft->reply,
                             on_slot_done, issuance, &err);
    take_slot(issuance, slot, &err);
}

void stage_validate(struct issuance *issuance)
{
    const struct cert_work *work = issuance->work;
    struct stage_variables variables;
    struct child_order order = {
        .what = "validate",
        .argv = &work->cert->validate,
        .limit_s = work->cert->command_timeout_s,
    };
    struct slot *slot = NULL;
    struct err err;

    if (work->cert->validate.count == 0) {
        take_slot(issuance, NULL, NULL);
        return;
    }
    stage_variables_of(&variables, work->cert);
    stage_variables_add(&variables, "LEAFD_STAGED=%s/%s", work->cert->directory,
                        work->draft->generation);
    order.variables = variables.items;
    if (variables.complete)
        slot = child_start(work->tools->loop, work->tools->workers, &order, on_slot_done, issuance,
                           &err);
    else
        err_memory(&err);
    stage_variables_free(&variables);
    take_slot(issuance, slot, &err);
}
