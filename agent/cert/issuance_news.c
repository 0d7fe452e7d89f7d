#include "cert/issuance_news.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"
#include "cert/cert_log.h"
#include "cert/issuance_waits.h"
#include "plan/ca_news.h"

#include <string.h>

/* Moves the renewal forward and emits the event. */
static void renew_early(struct issuance *issuance, const struct early_renewal *early)
{
    struct cert_work *work = issuance->work;

    work->early_renewal = *early;
    if (early->due_s < work->published.due_s)
        work->published.due_s = early->due_s;
    cert_work_save(work);
    cert_log_renewed_early(work);
    issuance_hear(issuance, ISSUANCE_ON_RESCHEDULED, NULL);
}

bool issuance_take_issuer(struct issuance *issuance, const struct ca_named_issuer *named)
{
    struct cert_work *work = issuance->work;
    struct ca_state *ca = &work->state.ca;
    const struct ca_look look = {
        .named = named->key,
        .ours = work->published.authority_key,
        .is_known = cert_work_knows_issuer(work, named->key),
        .has_baseline = ca->has_baseline,
        .in_a_row = named->in_a_row,
        .now_s = clock_now_s(),
        .life_s = cert_work_life_s(work),
        .early_at_s = ca->early_at_s,
    };
    enum ca_news news = ca_news_of(&look);

    /* A new issuer may end the failure. The tries of a fleet are spread. */
    if (named->is_new && issuance->state == ISSUANCE_BACKING_OFF)
        issuance_try_within(issuance, cert_work_spread_s(work) * 1000 / 8);
    if (issuance->state != ISSUANCE_IDLE || !work->published.usable ||
        work->early_renewal.due_s != 0 || ca->held_until_s != 0)
        return false;
    if (news == CA_NEWS_OTHER_ISSUER) {
        ca->early_at_s = look.now_s;
        renew_early(issuance, &(const struct early_renewal){look.now_s,
                                                            "the CA has another issuer now", true});
    } else if (news == CA_NEWS_BASELINE) {
        cert_work_remember_issuer(work, named->key);
    }
    if (news != CA_NEWS_UNSURE && !ca->has_baseline) {
        ca->has_baseline = true;
        cert_work_save(work);
    }
    return news == CA_NEWS_UNSURE;
}

/*
 * The replacement of certificates that are revoked one after another is delayed more each time. The
 * same certificate is counted once, also after a restart.
 */
static uint64_t replace_at_s(struct cert_work *work)
{
    struct ca_state *ca = &work->state.ca;
    uint64_t now_s = clock_now_s(), life_s = cert_work_life_s(work);

    if (!text_equal(ca->revoked, work->published.serial)) {
        if (now_s >= ca->revoked_at_s + life_s)
            ca->revoked_count = 0;
        ca->revoked_count++;
        ca->revoked_at_s = now_s;
        ca_state_note_revoked(ca, work->published.serial);
    }
    return ca_news_replace_s(now_s, ca->revoked_count > 0 ? ca->revoked_count - 1 : 0, life_s);
}

void issuance_take_revoked(struct issuance *issuance, const char *serial)
{
    struct cert_work *work = issuance->work;
    struct early_renewal early = {.reason = CA_REVOKED};

    if (issuance->state != ISSUANCE_IDLE || !work->published.usable ||
        (work->early_renewal.due_s != 0 && !work->early_renewal.other_issuer) ||
        strcmp(work->published.serial, serial) != 0)
        return;
    early.due_s = replace_at_s(work);
    /* A held generation needs no request: it is published now, though not all peers may trust its
     * CA. */
    if (work->state.ca.held_until_s != 0)
        work->state.ca.held_until_s = early.due_s = clock_now_s();
    work->state.ca.replace_at_s = early.due_s;
    /* A revoked generation is never rolled back to. */
    work->state.consumer.accepted[0] = '\0';
    renew_early(issuance, &early);
}

static void on_list_read(void *arg, const struct err *job_err)
{
    struct issuance *issuance = arg;
    struct cert_work *work = issuance->work;
    const struct err err = *job_err;
    char serial[SERIAL_TEXT_BYTES];

    memcpy(serial, work->list_job->serial, sizeof serial);
    work->list_job = NULL;
    work->listing = slot_drop(work->listing);
    if (err.kind == ERR_NONE && serial[0] != '\0')
        issuance_take_revoked(issuance, serial);
    if (err.kind != ERR_NONE && work->told_list)
        log_detail(work->cert->name, "cannot see whether it was revoked: %s", err.text);
    else if (err.kind != ERR_NONE)
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
                   "cannot see whether the certificate was revoked: %s", err.text);
    work->told_list = err.kind != ERR_NONE;
}

void issuance_take_list(struct issuance *issuance, const char *serial, struct crl_shared *list)
{
    struct cert_work *work = issuance->work;
    const struct set_place place = cert_work_place(work);
    struct cert_job *job;
    struct err err;

    if (work->listing != NULL || strcmp(work->published.serial, serial) != 0)
        return;
    job = cert_job_new(work->config, work->cert, work->claim, NULL, &err);
    if (job == NULL)
        return;
    job->list = crl_shared_ref(list);
    snprintf(job->serial, sizeof job->serial, "%s", serial);
    work->list_job = job;
    work->listing =
        set_job_start(&place, WORK_WHEN_IDLE, job_read_list, job, on_list_read, issuance, &err);
    if (work->listing == NULL)
        work->list_job = NULL;
}
