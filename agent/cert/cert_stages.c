#include "cert/cert_stages.h"

#include "base/cleanup.h"
#include "ca/vault_sign.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/decide.h"
#include "cert/reload_state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- stages that a worker does --------------------------------------------------------------------
 */

static void on_job_done(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;
    const struct err err = *job_err;

    work->draft = TAKE(work->job->draft);
    work->job = NULL;
    work->slot = slot_drop(work->slot);
    work->deliver(work, err.kind == ERR_NONE ? EV_DONE : EV_FAILED, &err);
}

/* A job with the draft in its hands, or NULL after telling the failure. */
static struct cert_job *new_job(struct cert_work *work)
{
    struct err err;
    struct cert_job *job =
        cert_job_new(work->config, work->cert, work->claim, TAKE(work->draft), &err);

    if (job == NULL)
        cert_work_fail(work, &err);
    return job;
}

static void start_job(struct cert_work *work, struct cert_job *job, worker_run *run,
                      slot_done *on_done)
{
    /* What is on its way to the CA goes before what is only looked at, so that the CA is kept busy.
     */
    enum worker_urgency urgency = run == job_read_disk ? WORK_WHEN_IDLE : WORK_NEXT;
    struct err err;

    if (run == job_read_disk || run == job_publish)
        cert_directory_expect_swap(work, job);
    work->job = job;
    work->slot =
        worker_start(work->tools->workers, urgency, run, job, cert_job_free, on_done, work, &err);
    if (work->slot == NULL) {
        work->job = NULL;
        cert_work_fail(work, &err);
    }
}

static enum cert_event event_of(enum verdict verdict)
{
    static const enum cert_event events[] = {
        [VERDICT_FRESH] = EV_FRESH, [VERDICT_RELOAD] = EV_RELOAD,       [VERDICT_PROVE] = EV_PROVE,
        [VERDICT_LATER] = EV_LATER, [VERDICT_RESTAGE] = EV_RESTAGE,     [VERDICT_ISSUE] = EV_WANTED,
        [VERDICT_HOLD] = EV_HELD,   [VERDICT_WITHDRAWN] = EV_WITHDRAWN,
    };

    return events[verdict];
}

/* What an earlier process learnt of the CA. */
static void take_found_revoked(struct cert_work *work)
{
    const struct ca_state *ca = &work->state.ca;
    struct cert_published *published = &work->published;

    if (!work->tools->stays || strcmp(ca->revoked, published->serial) != 0)
        return;
    work->hurry = (struct cert_hurry){.due_s = ca->replace_at_s, .reason = CA_REVOKED};
    if (ca->replace_at_s < published->due_s)
        published->due_s = ca->replace_at_s;
}

/* Takes over what is installed. */
static void take_installed(struct cert_work *work, const struct installed *installed,
                           struct findings *findings)
{
    const struct consumer_state *consumer = &work->state.consumer;

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
    findings->told = reload_state_is_told(consumer, work->cert, installed->generation);
    findings->settled = reload_state_is_settled(consumer, work->cert, installed->generation);
}

/* What waits for others to trust its CA: its CA is announced until then. */
static void take_waiting(const struct cert_job *job, struct findings *findings)
{
    if (job->is_unannounced && findings->health == INSTALLED_WHOLE) {
        findings->health = INSTALLED_UNWANTED;
        findings->why = CA_ANNOUNCING;
    }
}

/* Takes over what the disk told and says what it means. */
static enum cert_event take_findings(struct cert_work *work, struct cert_job *job)
{
    struct findings findings = {.now_s = clock_now_s(),
                                .revoked = job->revocation != REVOCATION_NONE,
                                .held = job->draft != NULL};
    const char *reason;
    enum verdict verdict;
    bool is_wanted;

    /* What is in memory goes before what is on disk: a save may still be on its way. */
    if (!work->read_once)
        work->state = job->state;
    memcpy(work->previous, job->previous, sizeof work->previous);
    /* What was revoked is never gone back to. */
    if (findings.revoked)
        work->state.consumer.accepted[0] = '\0';
    /* What was to be waited for is lost: it is due when it is due again. */
    if (job->draft == NULL && !job->is_kept)
        work->state.ca.held_until_s = 0;
    take_installed(work, &job->installed, &findings);
    cert_work_heed(work, job->revocation);
    if (work->state.ca.held_until_s != 0)
        take_waiting(job, &findings);
    if (!work->read_once && work->tools->stays)
        findings.try_again_at_s = cert_work_left_wait_s(work);
    work->read_once = true;
    findings.withdrawn = job->revocation == REVOCATION_FINAL && !work->tools->by_name;
    is_wanted = findings.difference == NULL && !findings.revoked;
    work->in_time = is_wanted && work->hurry.due_s == 0;
    work->repairable = is_wanted && job->installed.health != INSTALLED_WHOLE &&
                       strcmp(work->repaired, job->installed.generation) != 0;
    verdict = decide(&findings, &reason);
    cert_work_give_reason(work, reason);
    return event_of(verdict);
}

/* What was held is waited for again, or is not wanted any more. */
static void take_held(struct cert_work *work, struct cert_job *job, enum cert_event event)
{
    if (event == EV_HELD) {
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

/* What was seen of a directory that is not ours to work in: memory is not to tell otherwise, and
 * whoever came once may go when the agent there has done it all. */
static enum cert_event take_seen(struct cert_work *work, struct cert_job *job, struct err *err)
{
    struct findings findings = {.now_s = clock_now_s()};
    enum cert_event event;

    if (work->tools->stays || !job->is_kept) {
        take_installed(work, &job->installed, &findings);
        return EV_FAILED;
    }
    event = take_findings(work, job);
    if (event == EV_FRESH)
        cert_log_kept(work, err);
    else
        err_wrap(err, "the certificate is not fresh yet");
    return event == EV_FRESH ? EV_FRESH : EV_FAILED;
}

/* What was changed while no agent looked, or just before the configuration was read anew. */
static void tell_damage(struct cert_work *work, const struct cert_job *job)
{
    const struct installed *installed = &job->installed;

    /* A look tells that the directory was open, and not what came of it. */
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
    struct cert_work *work = arg;
    struct cert_job *job = work->job;
    struct err err = *job_err;
    enum cert_event event = EV_FAILED;
    CLEANUP(close_fd) int set_fd = -1;

    cert_work_close_set(work);
    work->claim = TAKE(job->claim);
    if (err.kind == ERR_NONE) {
        cert_log_link_failed(work, &job->link_failure);
        cert_directory_watch(work);
        /* What was left before the watch was there has told nobody. */
        if (job->revocation == REVOCATION_NONE && cert_work_open_set(work, &set_fd))
            job->revocation = revoked_mark_read(set_fd, job->installed.generation);
        event = take_findings(work, job);
        tell_damage(work, job);
        take_held(work, job, event);
        work->look.print[0] = '\0'; /* the next look reads it all */
    } else if (job->is_seen) {
        event = take_seen(work, job, &err);
    }
    work->job = NULL;
    work->slot = slot_drop(work->slot);
    work->deliver(work, event, &err);
}

void stage_read(struct cert_work *work)
{
    struct cert_job *job = new_job(work);

    if (job == NULL)
        return;
    memcpy(job->previous, work->previous, sizeof job->previous);
    memcpy(job->held, work->state.held, sizeof job->held);
    memcpy(job->published, work->published.generation, sizeof job->published);
    start_job(work, job, job_read_disk, on_read);
}

static void on_key_made(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;

    if (work->job->damage[0] != '\0')
        cert_log_new_key(work, work->job->damage);
    on_job_done(arg, job_err);
}

void stage_make_key(struct cert_work *work)
{
    struct cert_job *job = new_job(work);

    if (job == NULL)
        return;
    job->rehearse = work->state.failures > 0 && work->state.failure.kind == ERR_LOCAL;
    job->keep_key = work->cert->key_rotation == KEY_ROTATE_NEVER;
    start_job(work, job, job_make_key, on_key_made);
}

/* Whether a new issuer is to be made known before its first certificate is shown. */
static bool guards_peers(const struct cert_work *work)
{
    const struct agent_config *agent = &work->config->agent;
    const struct cert_published *published = &work->published;

    return (work->in_time || work->hurry.other_issuer) && work->tools->stays &&
           agent->ca_poll_s > 0 && work->cert->trust_anchor == NULL && published->usable;
}

static void on_vetted(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;
    const struct issued *issued = &work->job->draft->issued;

    if (job_err->kind == ERR_NONE) {
        cert_log_issued(work, issued);
        if (strncmp(work->odd_subject, issued->odd_subject, sizeof work->odd_subject - 1) != 0)
            cert_log_odd_subject(work, issued);
        snprintf(work->odd_subject, sizeof work->odd_subject, "%s", issued->odd_subject);
    }
    on_job_done(arg, job_err);
}

void stage_vet(struct cert_work *work)
{
    struct cert_job *job = new_job(work);

    if (job == NULL)
        return;
    memcpy(job->current_serial, work->published.serial, sizeof job->current_serial);
    job->cache = work->tools->cache;
    job->guards_peers = guards_peers(work);
    start_job(work, job, job_vet, on_vetted);
}

void stage_recover(struct cert_work *work)
{
    struct cert_job *job = new_job(work);

    if (job == NULL)
        return;
    if (work->state.ca.held_until_s != 0)
        memcpy(job->held, work->state.held, sizeof job->held);
    start_job(work, job, job_recover, on_job_done);
}

/* Whether waiting for it would leave a gap, which asking again may not. */
static bool begins_too_late(const struct cert_work *work, const struct validity *validity)
{
    return work->published.usable && validity->not_before >= work->published.end_s;
}

static void on_staged(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;
    const struct certificate_facts *leaf = &work->job->draft->issued.leaf;
    struct err err = *job_err;
    /* One that is published already gets other files; a clock that was set back is no reason to
     * keep them from it. */
    bool is_early = leaf->validity.not_before > clock_now_s() &&
                    strcmp(leaf->serial, work->published.serial) != 0;
    enum cert_event event = work->job->draft->is_stranger ? EV_STRANGER : EV_DONE;

    if (err.kind == ERR_NONE && is_early && begins_too_late(work, &leaf->validity))
        err_set(&err, ERR_UNTRUSTED,
                "it begins when the one in place has ended already; the CA's clock is ahead, or "
                "this machine's behind");
    work->draft = TAKE(work->job->draft);
    work->job = NULL;
    work->slot = slot_drop(work->slot);
    if (is_early)
        event = EV_EARLY;
    work->deliver(work, err.kind == ERR_NONE ? event : EV_FAILED, &err);
}

void stage_stage(struct cert_work *work)
{
    struct cert_job *job = new_job(work);

    if (job != NULL)
        start_job(work, job, job_stage, on_staged);
}

static void on_published(void *arg, const struct err *job_err)
{
    struct cert_work *work = arg;
    const struct err err = *job_err;
    struct cert_job *job = work->job;
    enum revocation revocation;
    bool was_heeded;

    if (err.kind == ERR_NONE) {
        const struct cert_draft *draft = job->draft;

        work->repairable = false;
        if (work->ca_rests_until_us != 0)
            memcpy(work->repaired, draft->generation, sizeof work->repaired);
        cert_directory_note_previous(work, job->previous);
        /* The same certificate in other files leaves alone what waits. */
        if (strcmp(work->published.serial, draft->issued.leaf.serial) != 0) {
            cert_work_forget_held(work);
            cert_work_note_issued(work, &draft->issued.leaf);
        }
        was_heeded = strcmp(work->heeded.generation, job->previous) == 0 &&
                     work->heeded.revocation == job->revocation;
        cert_work_note_published(work, draft->generation, &draft->issued.leaf, draft->issued.end_s,
                                 draft->issued.issued_s);
        memcpy(work->look.print, job->print, sizeof work->look.print);
        /* The mark goes with the certificate into its other files. */
        cert_work_heed(work, was_heeded ? job->revocation : REVOCATION_NONE);
        cert_log_link_failed(work, &job->link_failure);
    }
    revocation = job->revocation;
    work->draft = TAKE(job->draft);
    work->job = NULL;
    work->slot = slot_drop(work->slot);
    work->deliver(work, err.kind == ERR_NONE ? EV_DONE : EV_FAILED, &err);
    if (err.kind == ERR_NONE)
        cert_work_tell_mark(work, revocation);
}

void stage_publish(struct cert_work *work)
{
    struct cert_job *job = new_job(work);

    if (job == NULL)
        return;
    memcpy(job->current_serial, work->published.serial, sizeof job->current_serial);
    start_job(work, job, job_publish, on_published);
}

/* -- stages that wait for somebody else -----------------------------------------------------------
 */

static void on_permitted(void *arg, const struct err *err)
{
    struct cert_work *work = arg;

    /* The permit is kept: it is given back when the work comes to rest. */
    work->deliver(work, EV_DONE, err);
}

void stage_queue(struct cert_work *work)
{
    struct err err;

    cert_work_release(work);
    work->draft = cert_draft_new();
    if (work->draft == NULL)
        err_memory(&err);
    else
        work->permit = ca_permit_start(work->tools->ca, work->cert, on_permitted, work, &err);
    if (work->permit == NULL)
        cert_work_fail(work, &err);
}

void stage_log_in(struct cert_work *work)
{
    const struct token_need need = {
        .patience_ms = cert_work_patience_ms(work),
        .refused_number = work->draft->denials > 0 ? work->draft->token_number : 0,
    };
    struct err err;

    snprintf(work->asked_with, sizeof work->asked_with, "%s", ca_stamp(work->tools->ca));
    work->slot = vault_token_start(work->tools->token, &need, cert_work_slot_done, work, &err);
    if (work->slot == NULL)
        cert_work_fail(work, &err);
}

static void on_signed(void *arg, const struct err *sign_err)
{
    struct cert_work *work = arg;
    const struct err err = *sign_err;
    struct cert_draft *draft = work->draft;
    enum cert_event event = EV_DONE;

    work->slot = slot_drop(work->slot);
    draft->token_worked = vault_token_has_worked(work->tools->token, draft->token_number);
    if (err.kind == ERR_NONE)
        vault_token_note_worked(work->tools->token, draft->token_number, work->tools->stays);
    else
        event = err.kind == ERR_DENIED ? EV_DENIED : EV_FAILED;
    work->deliver(work, event, &err);
}

void stage_sign(struct cert_work *work)
{
    const struct secret *token = vault_token_secret(work->tools->token);
    const struct vault_client client = vault_token_client(work->tools->token);
    struct cert_draft *draft = work->draft;
    const char *csr = work->cert->key_source == KEY_FROM_VAULT ? NULL : bytes_text(&draft->csr);
    struct err err;

    draft->token_number = token == NULL ? 0 : vault_token_number(work->tools->token);
    if (token == NULL) {
        /* Dropped by somebody else's 403 while the key was made. */
        err_set(&err, ERR_DENIED, "the token was dropped a moment ago");
        cert_work_fail(work, &err);
        return;
    }
    work->slot =
        vault_sign_start(&client, token, work->cert, csr, &draft->reply, on_signed, work, &err);
    if (work->slot == NULL)
        cert_work_fail(work, &err);
}
