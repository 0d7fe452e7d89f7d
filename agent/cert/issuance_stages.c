#include "cert/issuance_stages.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/decide.h"
#include "cert/stage.h"

#include <string.h>

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

static enum issuance_event event_of(enum verdict verdict)
{
    static const enum issuance_event events[] = {
        [VERDICT_FRESH] = ISSUANCE_ON_FRESH,     [VERDICT_LATER] = ISSUANCE_ON_LATER,
        [VERDICT_RESTAGE] = ISSUANCE_ON_RESTAGE, [VERDICT_ISSUE] = ISSUANCE_ON_WANTED,
        [VERDICT_HOLD] = ISSUANCE_ON_HELD,       [VERDICT_WITHDRAWN] = ISSUANCE_ON_WITHDRAW,
    };

    return events[verdict];
}

/* Restores what an earlier process learned of the CA. */
static void take_found_revoked(struct cert_work *work)
{
    const struct ca_state *ca = &work->state.ca;
    struct cert_published *published = &work->published;

    if (!work->tools->stays || !text_equal(ca->revoked, published->serial))
        return;
    work->early_renewal = (struct early_renewal){.due_s = ca->replace_at_s, .reason = CA_REVOKED};
    if (ca->replace_at_s < published->due_s)
        published->due_s = ca->replace_at_s;
}

/* Stores what is installed. */
static void take_installed(struct cert_work *work, const struct installed *installed,
                           struct findings *findings)
{
    if (installed->health == INSTALLED_NOTHING) {
        work->published = (struct cert_published){0};
    } else {
        cert_work_note_published(work, installed->generation, &installed->record.leaf,
                                 installed->record.end_s, installed->record.issued_s);
        work->published.usable = findings->now_s < work->published.end_s;
        take_found_revoked(work);
        findings->difference = installed_difference(installed, work->cert);
    }
    findings->health = installed->health;
    findings->why = installed->why;
    findings->due_s = work->published.due_s;
    findings->end_s = work->published.end_s;
}

/* While a generation is held until peers trust its CA, its CA must be in the published bundle. */
static void take_waiting(const struct cert_job *job, struct findings *findings)
{
    if (job->is_unannounced && findings->health == INSTALLED_WHOLE) {
        findings->health = INSTALLED_UNWANTED;
        findings->why = CA_ANNOUNCING;
    }
}

/* Whether the section requests something else than what the consumer refused. If that was not
 * saved, the published set shows what was requested before. */
static bool asks_otherwise(const struct cert_work *work, const char *difference)
{
    const char *refused = work->state.refused_request;
    char mark[REQUEST_MARK_BYTES];

    if (refused[0] == '\0')
        return difference != NULL;
    record_request_mark(work->cert, mark);
    return strcmp(refused, mark) != 0;
}

/* Stores what was read, and decides. */
static enum issuance_event take_findings(struct issuance *issuance, struct cert_job *job)
{
    struct cert_work *work = issuance->work;
    struct findings findings = {.now_s = clock_now_s(),
                                .revoked = job->revocation != REVOCATION_NONE,
                                .held = job->draft != NULL};
    const char *reason;
    enum verdict verdict;
    bool is_wanted;

    /* The state in memory is newer than the file, since a save may be under way. */
    if (!work->read_once) {
        cert_state_free(&work->state); /* with the failure of a read before */
        work->state = job->state;
        job->state = (struct cert_state){0};
    }
    memcpy(work->previous, job->previous, sizeof work->previous);
    /* A revoked generation is never rolled back to. */
    if (findings.revoked)
        work->state.consumer.accepted[0] = '\0';
    /* The held generation is gone: back to the normal renewal time. */
    if (job->draft == NULL && !job->is_kept)
        work->state.ca.held_until_s = 0;
    take_installed(work, &job->installed, &findings);
    cert_work_heed(work, job->revocation);
    if (work->state.ca.held_until_s != 0)
        take_waiting(job, &findings);
    if (!work->read_once && work->tools->stays)
        findings.try_again_at_s = cert_work_left_wait_s(work);
    findings.refused = cert_work_is_refused(work);
    findings.asks_otherwise = findings.refused && asks_otherwise(work, findings.difference);
    work->read_once = true;
    findings.withdrawn = job->revocation == REVOCATION_FINAL && !work->tools->by_name;
    is_wanted = findings.difference == NULL && !findings.revoked;
    work->in_time = is_wanted && work->early_renewal.due_s == 0;
    issuance->repairable = is_wanted && job->installed.health != INSTALLED_WHOLE &&
                           strcmp(issuance->repaired, job->installed.generation) != 0;
    verdict = decide(&findings, &reason);
    cert_work_give_reason(work, reason);
    return event_of(verdict);
}

/* Continues to hold the generation, or removes it. */
static void take_held(struct cert_work *work, struct cert_job *job, enum issuance_event event)
{
    if (event == ISSUANCE_ON_HELD) {
        work->draft = TAKE(job->draft);
        memcpy(work->state.held, work->draft->generation, sizeof work->state.held);
        return;
    }
    if (job->draft != NULL && work->state.ca.held_until_s > clock_now_s()) {
        job->draft->generation[0] = '\0'; /* it stays on disk until then */
        return;
    }
    if (job->draft != NULL)
        cert_work_remove(work, job->draft->generation);
    cert_work_forget_held(work);
}

/* Handles a directory that this process may not work in. `leafd once` may end if the agent there
 * keeps the certificate fresh. */
static enum issuance_event take_seen(struct issuance *issuance, struct cert_job *job,
                                     struct err *err)
{
    struct cert_work *work = issuance->work;
    struct findings findings = {.now_s = clock_now_s()};
    enum issuance_event event;

    if (work->tools->stays || !job->is_kept) {
        take_installed(work, &job->installed, &findings);
        return ISSUANCE_ON_FAILED;
    }
    event = take_findings(issuance, job);
    if (event == ISSUANCE_ON_FRESH)
        cert_log_kept(work, err);
    else
        err_wrap(err, "the certificate is not fresh yet");
    return event == ISSUANCE_ON_FRESH ? ISSUANCE_ON_FRESH : ISSUANCE_ON_FAILED;
}

/* Reports changes since the last check. */
static void tell_damage(struct cert_work *work, const struct cert_job *job)
{
    const struct installed *installed = &job->installed;

    /* A check reports the damage, but not which files it removed. */
    if (job->found_foreign)
        cert_log_damaged(work, job->damage);
    else if (!work->look.told && (installed->health == INSTALLED_DAMAGED || installed->is_spoiled ||
                                  installed->is_foreign))
        cert_log_damaged(work, installed->why);
    else if (!work->look.told && job->damage[0] != '\0')
        cert_log_damaged(work, job->damage);
    work->look.told = false;
}

static void on_read(void *arg, const struct err *job_err)
{
    struct issuance *issuance = arg;
    struct cert_work *work = issuance->work;
    struct cert_job *job = issuance->job;
    struct err err = *job_err;
    enum issuance_event event = ISSUANCE_ON_FAILED;

    if (job != NULL) {
        cert_work_close_set(work);
        work->claim = TAKE(job->claim);
    }
    if (job != NULL && err.kind == ERR_NONE) {
        cert_log_link_failed(work, &job->link_failure);
        event = take_findings(issuance, job);
        cert_directory_watch(work);
        tell_damage(work, job);
        take_held(work, job, event);
        memcpy(work->look.print, job->print, sizeof work->look.print);
    } else if (job != NULL && job->is_seen) {
        event = take_seen(issuance, job, &err);
    }
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
    job->keep_key = issuance->work->cert->key_rotation == KEY_ROTATE_NEVER;
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

    if (job_err->kind == ERR_NONE)
        cert_log_issued(issuance->work, &issuance->job->draft->issued);
    on_job_done(arg, job_err);
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
    start_job(issuance, make_for_vet, job_vet, on_vetted);
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

void stage_queue(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    struct err err;

    if (begin_draft(issuance, &err))
        issuance->turn = ca_turn_start(work->tools->ca, work->cert, cert_work_patience_ms(work),
                                       on_turn, issuance, &err);
    if (issuance->turn == NULL)
        take_slot(issuance, NULL, &err);
}

void stage_queue_to_restage(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    struct err err;

    if (begin_draft(issuance, &err))
        issuance->turn = ca_permit_start(work->tools->ca, work->cert, on_turn, issuance, &err);
    if (issuance->turn == NULL)
        take_slot(issuance, NULL, &err);
}

void stage_sign(struct issuance *issuance)
{
    const struct cert_work *work = issuance->work;
    struct cert_draft *draft = work->draft;
    const char *csr = work->cert->key_source == KEY_FROM_VAULT ? NULL : bytes_text(&draft->csr);
    struct err err;

    /* The request uses the section until it has ended. */
    config_unref(issuance->config);
    issuance->config = config_ref(work->config);
    take_slot(issuance,
              ca_sign_start(work->tools->ca, work->cert, cert_work_patience_ms(work), csr,
                            &draft->reply, on_slot_done, issuance, &err),
              &err);
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
