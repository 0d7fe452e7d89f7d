#include "cert/cert_log.h"

#include "base/cleanup.h"
#include "base/event.h"
#include "ca/ca.h"
#include "cert/cert_advice.h"
#include "cert/cert_evidence.h"
#include "cert/consumer.h"
#include "cert/outage.h"
#include "plan/renewal.h"

#include <string.h>

enum { OUTLOOK_BYTES = SERVED_TEXT_BYTES };

static const struct err *last_failure(const struct cert_work *work)
{
    return trouble_err(&work->state.issuing);
}

static void moment_and_wait(uint64_t moment_s, char moment[static WHEN_TEXT_BYTES],
                            char wait[static DURATION_TEXT_BYTES])
{
    uint64_t now_s = clock_now_s();

    clock_text(moment_s, moment);
    duration_text(moment_s > now_s ? moment_s - now_s : 0, wait);
}

/* How the published set is called in messages: by its leaf, or by the issuer that stands for it. */
static void emit_published(const struct cert_work *work, enum event_kind kind, enum log_level level,
                           const char *what)
{
    const struct cert_published *published = &work->published;
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];
    char due[WHEN_TEXT_BYTES], due_in[DURATION_TEXT_BYTES];

    moment_and_wait(published->end_s, end, left);
    moment_and_wait(published->due_s, due, due_in);
    event_emit(&(struct event){.kind = kind,
                               .level = level,
                               .cert = work->cert->name,
                               .generation = published->generation,
                               .serial = published->serial,
                               .not_after_s = published->validity.not_after,
                               .end_s = published->end_s,
                               .due_s = published->due_s,
                               .directory = work->cert->directory},
               "%s %sserial %s, valid for %s until %s, %s in %s", what,
               work->cert->is_trust ? "the CA certificates of the issuer with " : "",
               published->serial, left, end,
               work->cert->is_trust ? "the CA is asked again" : "renewal", due_in);
}

static void log_published(const struct cert_work *work, enum event_kind kind, const char *what)
{
    emit_published(work, kind, 0, what);
}

/* -- the end of the published certificate ---------------------------------------------------------
 */

/* The start of the useful lifetime: some CAs backdate notBefore. */
static uint64_t start_s(const struct cert_work *work)
{
    const struct cert_published *published = &work->published;
    const struct validity life = {published->validity.not_before, published->end_s};

    return renewal_start_s(&life, published->issued_s);
}

static uint64_t life_s(const struct cert_work *work)
{
    uint64_t start = start_s(work), end = work->published.end_s;

    return end > start ? end - start : 0;
}

/* Whether it was revoked and must not be replaced. */
static bool is_withdrawn(const struct cert_work *work)
{
    return work->heeded.revocation == REVOCATION_FINAL &&
           strcmp(work->heeded.generation, work->published.generation) == 0;
}

/* Notes that the end was reported with the failure's class, so that `failed` does not repeat it. */
static void note_told_end(struct cert_work *work, enum urgency urgency)
{
    struct told_failure *told = &work->told.issuing;

    work->told.urgency = urgency;
    told->at_s = clock_now_s();
    told->class = last_failure(work)->kind;
    told->reason = urgency_reason(last_failure(work)->text);
    if (urgency > told->urgency)
        told->urgency = urgency;
}

static void emit_end(struct cert_work *work, enum urgency urgency)
{
    const struct cert_published *published = &work->published;
    const struct err *failure = last_failure(work);
    const char *why = failure->kind != ERR_NONE ? failure->text
                      : work->cert->is_trust
                          ? "the CA has nothing that lasts longer: look at its issuers, and at "
                            "auto_rebuild of its config/crl"
                          : "no try has failed so far";
    struct event event = {.kind = urgency == URGENCY_OVER ? EVENT_EXPIRED : EVENT_EXPIRING,
                          .cert = work->cert->name,
                          .generation = published->generation,
                          .serial = published->serial,
                          .not_after_s = published->validity.not_after,
                          .end_s = published->end_s,
                          .failure = failure->kind,
                          .reason = why};
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES], more[OUTAGE_MORE_BYTES];

    outage_note(work, failure, urgency, &event.level, more);
    note_told_end(work, urgency);
    moment_and_wait(published->end_s, end, left);
    if (urgency == URGENCY_OVER)
        event_emit(&event, "serial %s has ended at %s and was not replaced: %s%s",
                   published->serial, end, why, more);
    else
        event_emit(&event, "serial %s ends in %s, at %s, and was not replaced yet: %s%s",
                   published->serial, left, end, why, more);
}

static void tell_end(struct cert_work *work);

static void on_end(void *arg, bool reached)
{
    (void)reached;
    tell_end(arg);
}

/* Emits `expiring` and `expired` when they are reached, and sets the timer for the next one. If
 * that time had passed before the set was first seen, only a failed try reports it. */
static void tell_end(struct cert_work *work)
{
    const struct cert_published *published = &work->published;
    /* A [trust] set is due all the time: only its end counts. */
    const struct expiry_look look = {
        start_s(work), work->cert->is_trust ? start_s(work) : published->due_s, published->end_s};
    uint64_t now_s = clock_now_s(), expiring_s = urgency_expiring_s(&look);
    enum urgency urgency = now_s >= published->end_s ? URGENCY_OVER
                           : now_s >= expiring_s     ? URGENCY_TENTH
                                                     : URGENCY_LOW;
    struct cert_told *told = &work->told;
    struct err err;

    if (!work->tools->stays || published->generation[0] == '\0' || is_withdrawn(work))
        return;
    if (told->end_s != published->end_s) {
        told->end_s = published->end_s;
        told->urgency = urgency;
        /* No failed try reports it: the CA answers, and has no issuer that lasts longer. */
        if (work->cert->is_trust && urgency > URGENCY_LOW)
            emit_end(work, urgency);
    } else if (urgency > told->urgency) {
        emit_end(work, urgency);
    }
    if (told->timer.rings == NULL &&
        !wall_timer_open(&told->timer, work->tools->loop, on_end, work, &err))
        return;
    wall_timer_set(&told->timer,
                   told->urgency == URGENCY_LOW     ? expiring_s
                   : told->urgency == URGENCY_TENTH ? published->end_s
                                                    : 0,
                   0);
}

/* After a publication failures are reported from the beginning again. */
static void begin_anew(struct cert_work *work)
{
    work->told.issuing = work->told.consumer = (struct told_failure){0};
    work->told.wanted = 0;
    tell_end(work);
}

/* -- issuance -------------------------------------------------------------------------------------
 */

void cert_log_found(struct cert_work *work)
{
    begin_anew(work);
    log_published(work, EVENT_FOUND, "found on disk:");
}

void cert_log_unchanged(struct cert_work *work)
{
    bool is_news = work->told.issuing.class != ERR_NONE || work->told.end_s == 0;

    begin_anew(work);
    emit_published(work, EVENT_FOUND, is_news ? 0 : LOG_LEVEL_DEBUG, "found on disk:");
}

void cert_log_kept(const struct cert_work *work, const struct err *who)
{
    event_emit(&(struct event){.kind = EVENT_KEPT,
                               .cert = work->cert->name,
                               .directory = work->cert->directory},
               "%s; the certificate is fresh, and nothing is done here", who->text);
}

void cert_log_damaged(const struct cert_work *work, const char *what)
{
    event_emit(&(struct event){.kind = EVENT_DAMAGED,
                               .cert = work->cert->name,
                               .directory = work->cert->directory,
                               .reason = what},
               "somebody changed the files in %s: %s", work->cert->directory, what);
}

void cert_log_published(struct cert_work *work)
{
    begin_anew(work);
    log_published(work, EVENT_PUBLISHED, "published");
}

/* Whether the text is not the same as the last time; stores it. */
static bool is_other(uint32_t *told, const char *text)
{
    uint32_t now = urgency_reason(text);
    bool other = now != *told;

    *told = now;
    return other;
}

void cert_log_wanted(struct cert_work *work, const char *what)
{
    const char *reason = work->reason == NULL ? "" : work->reason;
    bool is_news = is_other(&work->told.wanted, reason);

    tell_end(work);
    event_emit(&(struct event){.kind = EVENT_WANTED,
                               .level = is_news ? 0 : LOG_LEVEL_DEBUG,
                               .cert = work->cert->name,
                               .reason = reason},
               "%s, because %s", what, reason);
}

void cert_log_new_key(const struct cert_work *work, const char *why)
{
    event_emit(&(struct event){.kind = EVENT_WANTED, .cert = work->cert->name, .reason = why},
               "a new key, because %s", why);
}

void cert_log_held(const struct cert_work *work)
{
    char begin[WHEN_TEXT_BYTES], wait[DURATION_TEXT_BYTES];

    moment_and_wait(work->draft->issued.leaf.validity.not_before, begin, wait);
    event_emit(&(struct event){.kind = EVENT_HELD,
                               .cert = work->cert->name,
                               .not_before_s = work->draft->issued.leaf.validity.not_before},
               "the new certificate is valid from %s, in %s; the published one stays until then; "
               "check whether this machine's clock is behind",
               begin, wait);
}

void cert_log_reloaded(struct cert_work *work)
{
    bool is_news = is_other(&work->told.reloaded, work->published.serial);

    if (work->cert->prove.method == PROVE_NONE)
        work->told.consumer = (struct told_failure){0};
    event_emit(&(struct event){.kind = EVENT_RELOADED,
                               .level = is_news ? 0 : LOG_LEVEL_DEBUG,
                               .cert = work->cert->name,
                               .serial = work->published.serial},
               "told the consumer to load serial %s", work->published.serial);
}

/* The remaining lifetime of the published set; "" if it has ended. */
static void write_left(const struct cert_work *work, char to[static DURATION_TEXT_BYTES])
{
    uint64_t now_s = clock_now_s();

    to[0] = '\0';
    if (work->published.usable && work->published.end_s > now_s)
        duration_text(work->published.end_s - now_s, to);
}

/* Tenths of a second for short waits only. */
static void wait_text(uint64_t wait_ms, char to[static DURATION_TEXT_BYTES])
{
    if (wait_ms < 60000)
        snprintf(to, DURATION_TEXT_BYTES, "%u.%us", (unsigned)(wait_ms / 1000),
                 (unsigned)(wait_ms / 100 % 10));
    else
        duration_text(wait_ms / 1000, to);
}

static void log_failure(const struct cert_work *work, enum event_kind kind, enum log_level level,
                        const struct err *err, uint64_t wait_ms, const char *outlook)
{
    const struct served_state *served = &work->state.consumer.served;
    bool is_served = kind != EVENT_FAILED && served->serial[0] != '\0';
    const char *why = err->told ? "there is no token, because the login failed" : err->text;
    char wait[DURATION_TEXT_BYTES];
    struct event event = {.kind = kind,
                          .level = level,
                          .cert = work->cert->name,
                          .served = is_served ? served->serial : NULL,
                          .served_until_s = is_served ? served->not_after_s : 0,
                          .reason = why,
                          .failure = err->kind,
                          .next_try_ms = EVENT_NUMBER(wait_ms)};

    if (wait_ms == CERT_LOG_NOT_REPEATED)
        event.next_try_ms.given = false;
    if (kind == EVENT_FAILED)
        cert_evidence_of_request(work, &event);
    if (kind == EVENT_PROOF_FAILED)
        cert_evidence_of_proof(work, &event);
    wait_text(wait_ms, wait);
    event_emit(&event, "%s (%s); %s%s; %s", why, err_kind_name(err->kind),
               event.next_try_ms.given ? "next try in " : "not repeated",
               event.next_try_ms.given ? wait : "", outlook);
}

void cert_log_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    char left[DURATION_TEXT_BYTES], outlook[OUTLOOK_BYTES] = "no usable certificate is in place";
    char more[OUTAGE_MORE_BYTES] = "";
    bool repeats = wait_ms != CERT_LOG_NOT_REPEATED;
    uint64_t now_s = clock_now_s();
    const struct failure_look look = {
        .class = err->kind,
        .reason = urgency_reason(err->text),
        .now_s = now_s,
        .left_s = cert_work_lasts(work) ? work->published.end_s - now_s : 0,
        .life_s = life_s(work),
        .told_elsewhere = repeats ? outage_tells(work, err) : outage_covers(work, err),
    };
    struct told_failure once = {0}, *told = repeats ? &work->told.issuing : &once;
    enum log_level level;

    tell_end(work);
    urgency_note_failure(&look, told, &level);
    if (level != LOG_LEVEL_DEBUG)
        outage_note(work, err, told->urgency, &level, more);
    write_left(work, left);
    if (left[0] != '\0')
        snprintf(outlook, sizeof outlook, "the certificate in place has %s left%s", left, more);
    log_failure(work, EVENT_FAILED, level, err, wait_ms, outlook);
}

void cert_log_waits(struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    char wait[DURATION_TEXT_BYTES], ago[DURATION_TEXT_BYTES];
    uint64_t now_s = clock_now_s(), failed_s = work->state.issuing.failed_at_s;

    tell_end(work);
    duration_text(wait_ms / 1000, wait);
    duration_text(failed_s < now_s ? now_s - failed_s : 0, ago);
    event_emit(&(struct event){.kind = EVENT_WAITS,
                               .cert = work->cert->name,
                               .reason = err->text,
                               .failure = err->kind,
                               .next_try_ms = EVENT_NUMBER(wait_ms)},
               "continues to wait after the restart, for %s; the failure %s ago was: %s", wait, ago,
               err->text);
}

/* -- deployment -----------------------------------------------------------------------------------
 */

/* Emits what the consumer was seen to serve, if that has changed. */
static void tell_served(struct cert_work *work)
{
    const struct served_state *served = &work->state.consumer.served;
    char until[WHEN_TEXT_BYTES];

    if (!is_other(&work->told.served, served->serial) || served->serial[0] == '\0')
        return;
    clock_text(served->not_after_s, until);
    event_emit(&(struct event){.kind = EVENT_SERVED,
                               .cert = work->cert->name,
                               .served = served->serial,
                               .served_until_s = served->not_after_s},
               "the consumer serves serial %s, which ends at %s%s", served->serial, until,
               served->foreign ? "; this set never held it" : "");
}

/* Whether the consumer serves no certificate, so that none can expire there. */
static bool nothing_is_served(const struct cert_work *work)
{
    return work->cert->prove.method != PROVE_NONE &&
           work->state.consumer.served.serial[0] == '\0' &&
           (work->state.consumer.missing || work->seen.finding == PROVE_NO_TLS);
}

/* The remaining lifetime of what the consumer serves; 0: not known. */
static uint64_t served_left_s(const struct cert_work *work, uint64_t now_s)
{
    const struct served_state *served = &work->state.consumer.served;

    if (nothing_is_served(work))
        return life_s(work);
    return served->serial[0] != '\0' && !served->foreign && served->not_after_s > now_s
               ? served->not_after_s - now_s
               : 0;
}

static void write_served(const struct cert_work *work, char outlook[static OUTLOOK_BYTES])
{
    char left[DURATION_TEXT_BYTES];

    write_left(work, left);
    served_text(&work->state.consumer.served, work->published.serial, clock_now_s(), outlook);
    if (outlook[0] == '\0' && work->seen.ours)
        snprintf(outlook, OUTLOOK_BYTES, "the consumer has the new certificate, which %s%s",
                 left[0] == '\0' ? "has ended" : "ends in ", left);
    else if (outlook[0] == '\0')
        snprintf(
            outlook, OUTLOOK_BYTES,
            "it was not seen which certificate the consumer serves; the new files, which %s%s, "
            "are in place",
            left[0] == '\0' ? "have ended" : "end in ", left);
}

static void log_awaited(struct cert_work *work, const struct err *err)
{
    bool is_news = is_other(&work->told.awaited, err->text);

    event_emit(&(struct event){.kind = EVENT_AWAITED,
                               .level = is_news ? 0 : LOG_LEVEL_DEBUG,
                               .cert = work->cert->name,
                               .reason = err->text},
               "the consumer is not there yet (%s); it is reloaded when it is", err->text);
}

void cert_log_consumer_failed(struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    bool told = consumer_is_notified(&work->state.consumer, work->cert, work->published.generation);
    uint64_t now_s = clock_now_s();
    const struct failure_look look = {
        .class = err->kind,
        .reason = urgency_reason(err->text),
        .now_s = now_s,
        .left_s = served_left_s(work, now_s),
        .life_s = life_s(work),
    };
    char outlook[OUTLOOK_BYTES];
    enum log_level level;

    tell_served(work);
    if (consumer_is_awaited(&work->state.consumer)) {
        log_awaited(work, err);
        return;
    }
    urgency_note_failure(&look, &work->told.consumer, &level);
    write_served(work, outlook);
    log_failure(work, told ? EVENT_PROOF_FAILED : EVENT_RELOAD_FAILED, level, err, wait_ms,
                outlook);
}

void cert_log_link_failed(const struct cert_work *work, const struct err *err)
{
    if (err->kind != ERR_NONE)
        event_emit(&(struct event){.kind = EVENT_LINK_FAILED, .cert = work->cert->name},
                   "a link to the set could not be made, everything else continues: %s", err->text);
}

void cert_log_proven(struct cert_work *work)
{
    struct event event = {.kind = EVENT_PROVEN,
                          .cert = work->cert->name,
                          .not_after_s = work->published.validity.not_after};

    work->told.consumer = (struct told_failure){0};
    work->told.awaited = work->told.reloaded = 0;
    tell_served(work);
    cert_evidence_of_proof(work, &event);
    event_emit(&event, "the consumer serves serial %s%s", work->published.serial,
               work->cert->prove.method != PROVE_TLS ? "; its chain was not seen"
               : work->cert->prove.tls.mutual        ? ", with a chain that verifies and mutual TLS"
                                                     : ", with a chain that verifies");
}

void cert_log_proof_lost(struct cert_work *work, const struct err *err)
{
    bool serves_other = work->seen.finding == PROVE_OTHER_LEAF;
    struct event event = {.kind = EVENT_PROOF_LOST,
                          .cert = work->cert->name,
                          .served = cert_evidence_or_none(work->state.consumer.served.serial),
                          .reason = err->text};

    tell_served(work);
    cert_evidence_of_proof(work, &event);
    event_emit(&event, "the consumer %s serial %s%s and is reloaded again: %s",
               serves_other ? "does not serve" : "was not seen to serve", work->published.serial,
               serves_other ? " any more" : "", err->text);
}

void cert_log_rolled_back(struct cert_work *work, const struct err *err)
{
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];

    tell_end(work);
    moment_and_wait(work->published.end_s, end, left);
    event_emit(&(struct event){.kind = EVENT_ROLLED_BACK,
                               .cert = work->cert->name,
                               .serial = work->published.serial,
                               .end_s = work->published.end_s,
                               .reason = err->text},
               "the consumer refuses the new certificate (%s); serial %s is in place again, valid "
               "for %s; a new one is requested later",
               err->text, work->published.serial, left);
}

void cert_log_rollback_failed(const struct cert_work *work, const struct err *err)
{
    event_emit(
        &(struct event){
            .kind = EVENT_ROLLBACK_FAILED, .cert = work->cert->name, .reason = err->text},
        "the rollback to the previous certificate did not help, the new one stays: %s", err->text);
}

void cert_log_renewed_early(const struct cert_work *work)
{
    char due[WHEN_TEXT_BYTES], wait[DURATION_TEXT_BYTES];

    moment_and_wait(work->published.due_s, due, wait);
    event_emit(&(struct event){.kind = EVENT_CA_CHANGED,
                               .cert = work->cert->name,
                               .serial = work->published.serial,
                               .due_s = work->published.due_s},
               "%s; serial %s is replaced in %s", work->early_renewal.reason,
               work->published.serial, wait);
}

void cert_log_withdrawn(const struct cert_work *work)
{
    event_emit(&(struct event){.kind = EVENT_WITHDRAWN,
                               .cert = work->cert->name,
                               .serial = work->published.serial},
               "serial %s was revoked and is not replaced until somebody asks for it: `leafd renew "
               "%s`, or `leafd once %s` while no agent runs",
               work->published.serial, work->cert->name, work->cert->name);
}

static void log_issued(const struct cert_work *work, const struct issued *issued)
{
    CLEANUP(arena_free) struct arena arena = {0};

    event_emit(&(struct event){.kind = EVENT_ISSUED,
                               .cert = work->cert->name,
                               .serial = issued->leaf.serial,
                               .request_id = cert_evidence_or_none(issued->request_id),
                               .issuer = issued->leaf.issuer,
                               .names = names_text(&issued->leaf.names, &arena),
                               .pki_mount = work->cert->pki_mount,
                               .pki_role = work->cert->pki_role,
                               .not_before_s = issued->leaf.validity.not_before,
                               .not_after_s = issued->leaf.validity.not_after,
                               .end_s = issued->end_s},
               "the CA issued serial %s", issued->leaf.serial);
}

void cert_log_issued(struct cert_work *work, const struct issued *issued)
{
    if (work->cert->is_trust) {
        cert_advice_left_out(work, issued);
        return;
    }
    log_issued(work, issued);
    cert_advice_ends(work, issued);
    cert_advice_subject(work, issued);
}

void cert_log_bug(const struct cert_work *work, const char *machine, int state, int event)
{
    event_emit(&(struct event){.kind = EVENT_BUG, .cert = work->cert->name},
               "%s does not expect event %d in state %d and ignores it; please report this",
               machine, event, state);
}
