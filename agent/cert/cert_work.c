#include "cert/cert_work.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "cert/consumer.h"
#include "plan/backoff.h"
#include "plan/ca_news.h"
#include "plan/renewal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A [trust] section asks for news by itself: it is due at each poll. */
static bool join(struct cert_work *work, struct err *err)
{
    if (!work->cert->is_trust)
        return ca_join(work->tools->ca, work->cert, work, &work->interest, err);
    ca_leave(work->tools->ca, &work->interest);
    return true;
}

bool cert_work_open(struct cert_work *work, struct cert_tools *tools, struct config *config,
                    const struct cert_config *cert, struct err *err)
{
    *work = (struct cert_work){.tools = tools};
    work->config = config_ref(config);
    work->cert = cert;
    if (join(work, err))
        return true;
    config_unref(work->config);
    return false;
}

struct set_place cert_work_place(const struct cert_work *work)
{
    return (struct set_place){work->tools->workers, &work->tools->mounts, work->cert->directory};
}

void cert_work_note_end(struct cert_work *work)
{
    if (work->claim == NULL || !work->read_once ||
        backoff_resume_ms(work->state.issuing.try_again_at_s, clock_now_s()) == 0)
        return;
    work->state.restart.in_order = true;
    cert_work_save(work);
}

/* Makes sure that the state is saved before the claim is given up: the jobs of a directory run in
 * order. */
static void finish_saving(struct cert_work *work)
{
    bool again = work->save_again;

    work->saving = worker_let_go(work->saving);
    if (again)
        cert_work_save(work);
    work->saving = worker_let_go(work->saving);
}

static void free_draft(struct cert_work *work)
{
    cert_draft_free(work->draft);
    work->draft = NULL;
}

/* Ends what runs in the directory beside the machines; the next read starts it again. */
static void leave_directory(struct cert_work *work)
{
    const struct set_place place = cert_work_place(work);

    work->removal = sd_event_source_disable_unref(work->removal);
    set_unwatch(&place, work->tools->watches, work->look.watch);
    slot_drop(work->look.watching);
    wall_timer_close(&work->look.timer);
    slot_drop(work->look.slot);
    work->look = (struct cert_look){0};
    work->listing = slot_drop(work->listing);
    work->list_job = NULL;
}

void cert_work_close_set(struct cert_work *work)
{
    const struct set_place place = cert_work_place(work);

    work->claim = set_give_up(&place, work->claim);
}

void cert_work_close(struct cert_work *work)
{
    ca_leave(work->tools->ca, &work->interest);
    finish_saving(work);
    leave_directory(work);
    set_owner_close(&work->set);
    cert_work_leave_held(work);
    if (work->draft != NULL)
        cert_work_remove(work, work->draft->generation);
    free_draft(work);
    cert_work_close_set(work);
    wall_timer_close(&work->told.timer);
    cert_state_free(&work->state);
    free(work->reason);
    config_unref(work->config);
}

void cert_work_abandon(struct cert_work *work, const struct config *config)
{
    const struct set_place place = cert_work_place(work);

    /* The job runs after those that are under way, such as a publication. */
    if (!config_uses_directory(config, work->cert->directory))
        set_leave_only(&place, work->claim);
}

bool cert_work_adopt(struct cert_work *work, struct config *config, const struct cert_config *cert)
{
    bool moved = strcmp(work->cert->directory, cert->directory) != 0;
    struct err err;

    if (moved) {
        finish_saving(work);
        set_owner_leave(&work->set);
        cert_work_drop_draft(work);
        cert_work_abandon(work, config);
        cert_work_close_set(work);
        work->previous[0] = '\0';
        leave_directory(work);
        work->heeded = (struct cert_mark){0};
        work->published = (struct cert_published){0};
        cert_state_free(&work->state);
        work->read_once = false;
    }
    if (strcmp(work->cert->digest, cert->digest) != 0)
        work->bundle_read_s = 0;
    /* After a change the operator wants to see failures again. */
    work->told.issuing = work->told.consumer = (struct told_failure){0};
    config_ref(config);
    config_unref(work->config);
    work->config = config;
    work->cert = cert;
    if (!join(work, &err))
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = cert->name},
                   "it does not learn of changes at the CA before a restart: %s", err.text);
    return moved;
}

void cert_work_remove(struct cert_work *work, const char *generation)
{
    const struct set_place place = cert_work_place(work);

    set_remove(&place, work->claim, generation);
}

bool cert_work_holds(const struct cert_work *work)
{
    return work->draft != NULL && work->state.held[0] != '\0' &&
           strcmp(work->draft->generation, work->state.held) == 0;
}

void cert_work_leave_held(struct cert_work *work)
{
    if (cert_work_holds(work))
        work->draft->generation[0] = '\0';
}

void cert_work_drop_draft(struct cert_work *work)
{
    if (cert_work_holds(work)) {
        work->state.held[0] = '\0';
        work->state.ca.held_until_s = 0;
    }
    /* A staged generation that was not published holds a key. */
    if (work->draft != NULL && strcmp(work->draft->generation, work->published.generation) != 0)
        cert_work_remove(work, work->draft->generation);
    free_draft(work);
}

void cert_work_forget_held(struct cert_work *work)
{
    if (work->state.held[0] == '\0')
        return;
    cert_work_remove(work, work->state.held);
    work->state.held[0] = '\0';
    work->state.ca.held_until_s = 0;
    cert_work_save(work);
}

static void on_saved(void *arg, const struct err *err)
{
    struct cert_work *work = arg;

    /* The slot owns the error. */
    if (err->kind != ERR_NONE)
        log_detail(work->cert->name, "cannot keep the state: %s", err->text);
    work->saving = slot_drop(work->saving);
    if (work->save_again)
        cert_work_save(work);
}

void cert_work_save(struct cert_work *work)
{
    const struct set_place place = cert_work_place(work);
    struct cert_job *job;
    struct err err;

    work->save_again = work->saving != NULL;
    if (work->save_again || work->claim == NULL)
        return;
    job = cert_job_new(work->config, work->cert, work->claim, NULL, &err);
    if (job == NULL)
        return;
    cert_state_copy(&job->state, &work->state);
    work->saving = set_job_start(&place, WORK_NEXT, job_save, job, on_saved, work, &err);
}

void cert_work_heed(struct cert_work *work, enum revocation revocation)
{
    work->heeded.revocation = revocation;
    memcpy(work->heeded.generation, work->published.generation, sizeof work->heeded.generation);
}

void cert_work_tell_mark(struct cert_work *work, enum revocation revocation)
{
    bool is_heeded = work->heeded.revocation == revocation &&
                     strcmp(work->heeded.generation, work->published.generation) == 0;

    if (revocation != REVOCATION_NONE && !is_heeded)
        work->found(work, revocation == REVOCATION_FINAL ? FOUND_WITHDRAWN : FOUND_REVOKED);
}

void cert_work_give_reason(struct cert_work *work, const char *reason)
{
    char *copy = reason == NULL || reason[0] == '\0' ? NULL : strdup(reason);

    free(work->reason);
    work->reason = copy;
}

void cert_work_forget_early_renewal(struct cert_work *work)
{
    work->early_renewal = (struct early_renewal){0};
}

/* The next read of the CA's issuers. Only the CA knows whether they are the same. */
static uint64_t next_read_s(const struct cert_work *work)
{
    uint64_t poll_s = ca_news_bundle_s(work->config->agent.ca_poll_s);

    return work->bundle_read_s == 0
               ? clock_now_s()
               : ca_news_read_again_s(work->bundle_read_s, work->published.end_s, poll_s,
                                      random_draw());
}

void cert_work_note_published(struct cert_work *work, const char *generation,
                              const struct certificate_facts *leaf, uint64_t end_s,
                              uint64_t issued_s)
{
    struct cert_published *published = &work->published;
    const struct validity life = {leaf->validity.not_before, end_s};
    const char *const texts[] = {work->cert->name, leaf->serial, NULL};

    if (strcmp(published->serial, leaf->serial) != 0)
        cert_work_forget_early_renewal(work);
    consumer_note_leaf(&work->state.consumer, leaf->fingerprint);
    work->asked_with[0] = '\0';
    published->usable = true;
    published->validity = leaf->validity;
    published->end_s = end_s;
    published->issued_s = issued_s;
    published->due_s = renewal_due_s(&life, issued_s, &work->cert->renewal, digest_spread(texts));
    if (work->cert->is_trust)
        published->due_s = next_read_s(work);
    if (work->state.ca.held_until_s != 0)
        published->due_s = work->state.ca.held_until_s;
    else if (work->early_renewal.due_s != 0 && work->early_renewal.due_s < published->due_s)
        published->due_s = work->early_renewal.due_s;
    snprintf(published->generation, sizeof published->generation, "%s", generation);
    snprintf(published->serial, sizeof published->serial, "%s", leaf->serial);
    snprintf(published->fingerprint, sizeof published->fingerprint, "%s", leaf->fingerprint);
    memcpy(published->authority_key, leaf->authority_key, sizeof published->authority_key);
}

uint64_t cert_work_life_s(const struct cert_work *work)
{
    const struct validity *validity = &work->published.validity;

    return work->cert->request.ttl_s != 0 ? work->cert->request.ttl_s
                                          : validity->not_after - validity->not_before;
}

uint64_t cert_work_spread_s(const struct cert_work *work)
{
    const struct agent_config *agent = &work->config->agent;

    return ca_news_spread_s(agent->ca_spread_s,
                            ca_news_poll_s(agent->ca_poll_s, cert_work_life_s(work)));
}

bool cert_work_knows_issuer(const struct cert_work *work, const char *key)
{
    for (size_t i = 0; i < CA_KNOWN_MOST; i++)
        if (text_equal(work->state.ca.known[i], key))
            return true;
    return false;
}

/* The latest comes first; the oldest is dropped. */
void cert_work_remember_issuer(struct cert_work *work, const char *key)
{
    struct ca_state *ca = &work->state.ca;

    if (key[0] == '\0' || cert_work_knows_issuer(work, key))
        return;
    free(ca->known[CA_KNOWN_MOST - 1]);
    memmove(&ca->known[1], &ca->known[0], sizeof ca->known - sizeof ca->known[0]);
    ca->known[0] = strdup(key);
}

static void copy_issuers(const struct ca_state *ca,
                         char to[static CA_KNOWN_MOST][KEY_IDENTIFIER_BYTES])
{
    for (size_t i = 0; i < CA_KNOWN_MOST; i++)
        snprintf(to[i], KEY_IDENTIFIER_BYTES, "%s", ca->known[i] == NULL ? "" : ca->known[i]);
}

void cert_work_note_issued(struct cert_work *work, const struct certificate_facts *leaf)
{
    const char *named = ca_issuer_key(&work->interest);
    struct ca_state *ca = &work->state.ca;
    char before[CA_KNOWN_MOST][KEY_IDENTIFIER_BYTES], after[CA_KNOWN_MOST][KEY_IDENTIFIER_BYTES];
    bool had_baseline = ca->has_baseline, is_other = false;

    copy_issuers(ca, before);
    if (!ca_news_is_early(ca->early_at_s, cert_work_life_s(work), clock_now_s()))
        ca_state_forget_issuers(ca);
    else if (strcmp(work->published.authority_key, leaf->authority_key) != 0)
        cert_work_remember_issuer(work, work->published.authority_key);
    if (strcmp(named, leaf->authority_key) != 0)
        cert_work_remember_issuer(work, named);
    ca->has_baseline = named[0] != '\0';
    copy_issuers(ca, after);
    for (size_t i = 0; i < CA_KNOWN_MOST; i++)
        is_other |= strcmp(before[i], after[i]) != 0;
    if (is_other || had_baseline != ca->has_baseline)
        cert_work_save(work);
}

bool cert_work_lasts(const struct cert_work *work)
{
    uint64_t now_s = clock_now_s();

    return work->published.usable && now_s >= work->published.validity.not_before &&
           now_s < work->published.end_s;
}

bool cert_work_begins_later(const struct cert_work *work)
{
    return work->published.usable && clock_now_s() < work->published.validity.not_before;
}

/* The inputs of the backoff that depend on the certificate's age. */
static struct backoff_state urgency(const struct cert_work *work, uint64_t now_s)
{
    const struct cert_published *published = &work->published;
    struct backoff_state backoff = {
        .lifetime_s = work->cert->request.ttl_s,
        .just_booted = clock_boot_us() < BACKOFF_BOOTING_S * 1000000ULL,
    };

    if (published->usable && now_s < published->end_s) {
        const struct validity life = {published->validity.not_before, published->end_s};

        backoff.remaining_s = published->end_s - now_s;
        backoff.lifetime_s = published->end_s - renewal_start_s(&life, published->issued_s);
    }
    return backoff;
}

uint64_t cert_work_patience_ms(const struct cert_work *work)
{
    const struct backoff_state backoff = urgency(work, clock_now_s());

    return backoff_patience_ms(&backoff);
}

uint64_t cert_work_back_ms(const struct cert_work *work)
{
    const struct backoff_state backoff = urgency(work, clock_now_s());

    return work->published.generation[0] == '\0' ? UINT64_MAX : backoff_back_ms(&backoff);
}

uint64_t cert_work_shorter_wait_ms(const struct cert_work *work)
{
    uint64_t most_ms = cert_work_patience_ms(work);

    return most_ms / 2 + random_share(most_ms / 2, random_draw());
}

/* The consumer's time is limited by the certificate that it serves. */
static void heed_served(const struct cert_work *work, struct backoff_state *backoff, uint64_t now_s)
{
    const struct served_state *served = &work->state.consumer.served;
    uint64_t left_s = served->not_after_s > now_s ? served->not_after_s - now_s : 1;

    if (served->serial[0] != '\0' && left_s < backoff->remaining_s)
        backoff->remaining_s = left_s;
}

/* The wait after a failure, from the class and the certificate's age. */
static uint64_t wait_after(const struct cert_work *work, const struct err *err, enum err_kind pace,
                           unsigned failures, uint64_t now_s)
{
    struct backoff_state backoff = urgency(work, now_s);

    if (pace == ERR_CONSUMER)
        heed_served(work, &backoff, now_s);
    backoff.failures = failures;
    backoff.retry_after_s = err->retry_after_s;
    return backoff_wait_ms(pace, &backoff, random_draw());
}

/* Stores the failure and the time of the next try, and saves the state. */
static void note(struct cert_work *work, struct trouble *trouble, const struct err *err,
                 uint64_t wait_ms)
{
    struct err failure = *err;

    if (backoff_suspects_role(err, trouble->failures))
        err_append(&failure, "; the CA is out of order, or the role is set wrongly");
    trouble_set(trouble, &failure);
    trouble->failed_at_s = clock_now_s();
    if (trouble->since_s == 0)
        trouble->since_s = trouble->failed_at_s;
    trouble->try_again_at_s = trouble->failed_at_s + wait_ms / 1000;
    cert_work_save(work);
}

bool cert_work_is_refused(const struct cert_work *work)
{
    return trouble_err(&work->state.issuing)->kind == ERR_CONSUMER &&
           work->state.consumer.refused[0] != '\0';
}

uint64_t cert_work_resume_ms(const struct cert_work *work)
{
    uint64_t until_s = work->state.issuing.try_again_at_s, now_s = clock_now_s();

    /* The end of the published set limits it, see cert/decide.c. */
    if (cert_work_is_refused(work))
        return until_s > now_s ? (until_s - now_s) * 1000 : 0;
    return backoff_resume_ms(until_s, now_s);
}

/*
 * Whether the credentials were changed since the CA was asked. It may not be known yet, since their
 * disk may hang: a daemon hears of the change later, and a process that does not stay tries.
 */
static bool has_other_credentials(struct cert_work *work)
{
    const char *asked_with = work->state.restart.asked_with, *now = ca_stamp(work->tools->ca);

    if (asked_with[0] == '\0')
        return false;
    if (now[0] == '\0' && work->tools->stays) {
        ca_await_change(work->tools->ca, asked_with);
        return false;
    }
    return strcmp(asked_with, now) != 0;
}

uint64_t cert_work_left_wait_s(struct cert_work *work)
{
    struct restart_state *restart = &work->state.restart;
    struct backoff_restart this = {.in_order = restart->in_order};
    uint64_t now_s = clock_now_s();

    /* A restart does not change what the CA would sign. */
    if (cert_work_is_refused(work))
        return work->state.issuing.try_again_at_s;
    if (backoff_resume_ms(work->state.issuing.try_again_at_s, now_s) == 0)
        return 0;
    if (restart->since_s > now_s || now_s - restart->since_s > BACKOFF_RESTARTS_WITHIN_S) {
        restart->count = 0;
        restart->since_s = now_s;
    }
    this.in_a_row = ++restart->count;
    this.changed = has_other_credentials(work);
    restart->in_order = false;
    cert_work_save(work);
    return backoff_outlives_restart(&this) ? work->state.issuing.try_again_at_s : 0;
}

/* Stores the stamp of the credentials, to notice when they change. */
static void note_asked_with(struct cert_work *work)
{
    char *asked_with = work->state.restart.asked_with;

    /* The failure came before the CA was asked. */
    if (work->asked_with[0] == '\0')
        snprintf(work->asked_with, sizeof work->asked_with, "%s", ca_stamp(work->tools->ca));
    memcpy(asked_with, work->asked_with, sizeof work->asked_with);
    work->asked_with[0] = '\0';
    ca_await_change(work->tools->ca, asked_with);
}

uint64_t cert_work_note_failure(struct cert_work *work, const struct err *err)
{
    struct trouble *issuing = &work->state.issuing;
    enum err_kind pace = err->kind == ERR_CONSUMER ? ERR_REFUSED : err->kind;
    uint64_t wait_ms = wait_after(work, err, pace, ++issuing->failures, clock_now_s());

    note_asked_with(work);
    note(work, issuing, err, wait_ms);
    return wait_ms;
}

uint64_t cert_work_note_refused(struct cert_work *work, const struct err *err)
{
    struct trouble *issuing = &work->state.issuing;
    uint64_t now_s = clock_now_s(), end_s = work->published.end_s;
    uint64_t wait_ms = wait_after(work, err, ERR_REFUSED, ++issuing->failures, now_s);
    uint64_t half_ms = end_s > now_s ? (end_s - now_s) * 1000 / 2 : 0;

    /* Half of a CA's life is years. */
    if (!work->cert->is_trust && half_ms > wait_ms)
        wait_ms = half_ms;
    record_request_mark(work->cert, work->state.refused_request);
    note(work, issuing, err, wait_ms);
    return wait_ms;
}

bool cert_work_blames_clock(const struct cert_work *work)
{
    return trouble_err(&work->state.issuing)->kind == ERR_UNTRUSTED || !cert_work_lasts(work);
}

uint64_t cert_work_note_sooner(struct cert_work *work)
{
    const struct err nothing = {.kind = ERR_NONE};
    uint64_t now_s = clock_now_s(), wait_ms = wait_after(work, &nothing, ERR_NONE, 1, now_s);

    work->state.issuing.try_again_at_s = now_s + wait_ms / 1000;
    cert_work_save(work);
    return wait_ms;
}

uint64_t cert_work_note_refusal(struct cert_work *work, const struct err *err)
{
    struct trouble *trouble = &work->state.consumer.trouble;
    uint64_t wait_ms = wait_after(work, err, err->kind, ++trouble->failures, clock_now_s());

    note(work, trouble, err, wait_ms);
    return wait_ms;
}
