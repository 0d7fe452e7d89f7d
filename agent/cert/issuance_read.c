#include "cert/issuance_read.h"

#include "base/cleanup.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/decide.h"

#include <string.h>

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
                                .held = job->draft != NULL,
                                .is_trust = work->cert->is_trust};
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

enum issuance_event issuance_take_read(struct issuance *issuance, struct err *err)
{
    struct cert_work *work = issuance->work;
    struct cert_job *job = issuance->job;
    enum issuance_event event;

    cert_work_close_set(work);
    work->claim = TAKE(job->claim);
    if (err->kind != ERR_NONE)
        return job->is_seen ? take_seen(issuance, job, err) : ISSUANCE_ON_FAILED;
    cert_log_link_failed(work, &job->link_failure);
    event = take_findings(issuance, job);
    cert_directory_watch(work);
    tell_damage(work, job);
    take_held(work, job, event);
    memcpy(work->look.print, job->print, sizeof work->look.print);
    return event;
}
