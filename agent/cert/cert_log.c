#include "cert/cert_log.h"

#include "base/event.h"
#include "cert/reload_state.h"
#include "plan/renewal.h"

enum { OUTLOOK_BYTES = SERVED_TEXT_BYTES };

static void moment_and_wait(uint64_t moment_s, char moment[static WHEN_TEXT_BYTES],
                            char wait[static DURATION_TEXT_BYTES])
{
    uint64_t now_s = clock_now_s();

    clock_text(moment_s, moment);
    duration_text(moment_s > now_s ? moment_s - now_s : 0, wait);
}

static void log_published(const struct cert_work *work, enum event_kind kind, const char *what)
{
    const struct cert_published *published = &work->published;
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];
    char due[WHEN_TEXT_BYTES], due_in[DURATION_TEXT_BYTES];

    moment_and_wait(published->end_s, end, left);
    moment_and_wait(published->due_s, due, due_in);
    event_emit(&(struct event){.kind = kind,
                               .cert = work->cert->name,
                               .generation = published->generation,
                               .serial = published->serial,
                               .not_after_s = published->validity.not_after,
                               .end_s = published->end_s,
                               .due_s = published->due_s,
                               .directory = work->cert->directory},
               "%s serial %s, valid for %s until %s, renewal in %s", what, published->serial, left,
               end, due_in);
}

void cert_log_found(const struct cert_work *work)
{
    log_published(work, EVENT_FOUND, "found on disk:");
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

void cert_log_published(const struct cert_work *work)
{
    log_published(work, EVENT_PUBLISHED, "published");
}

void cert_log_wanted(const struct cert_work *work, const char *what)
{
    event_emit(
        &(struct event){.kind = EVENT_WANTED, .cert = work->cert->name, .reason = work->reason},
        "%s, because %s", what, work->reason);
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
               "the new certificate begins at %s, in %s; what is published stays until then; is "
               "this machine's clock behind?",
               begin, wait);
}

void cert_log_reloaded(const struct cert_work *work)
{
    event_emit(&(struct event){.kind = EVENT_RELOADED,
                               .cert = work->cert->name,
                               .serial = work->published.serial},
               "told the consumer to load serial %s", work->published.serial);
}

/* How long the published set lasts still; "" if it does not. */
static void write_left(const struct cert_work *work, char to[static DURATION_TEXT_BYTES])
{
    uint64_t now_s = clock_now_s();

    to[0] = '\0';
    if (work->published.usable && work->published.end_s > now_s)
        duration_text(work->published.end_s - now_s, to);
}

static void log_failure(const struct cert_work *work, enum event_kind kind, enum log_level level,
                        const struct err *err, uint64_t wait_ms, const char *outlook)
{
    event_emit(&(struct event){.kind = kind,
                               .level = level,
                               .cert = work->cert->name,
                               .failure = err->kind,
                               .next_try_ms = EVENT_NUMBER(wait_ms)},
               "%s (%s); next try in %llu.%llus; %s",
               err->told ? "there is no token to ask with, the login failed" : err->text,
               err_kind_name(err->kind), (unsigned long long)wait_ms / 1000,
               (unsigned long long)wait_ms / 100 % 10, outlook);
}

void cert_log_failed(const struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    char left[DURATION_TEXT_BYTES], outlook[OUTLOOK_BYTES] = "no usable certificate is in place";

    write_left(work, left);
    if (left[0] != '\0')
        snprintf(outlook, sizeof outlook, "the certificate in place has %s left", left);
    log_failure(work, EVENT_FAILED, LOG_LEVEL_ERR, err, wait_ms, outlook);
}

/* Whether nobody shows a certificate: nothing is served that could run out. */
static bool nothing_is_served(const struct cert_work *work)
{
    return work->cert->prove.method != PROVE_NONE &&
           work->state.consumer.served.serial[0] == '\0' &&
           (work->state.consumer.missing || work->seen.finding == PROVE_NO_TLS);
}

/* A consumer that was told, and still has a third of a life to serve its older certificate, does
 * its work for now. */
static enum log_level consumer_level(const struct cert_work *work, bool told)
{
    const struct served_state *served = &work->state.consumer.served;
    const struct cert_published *published = &work->published;
    uint64_t now_s = clock_now_s();
    bool has_time =
        served->serial[0] != '\0' && !served->foreign && served->not_after_s > now_s &&
        (served->not_after_s - now_s) * 3 >
            published->end_s - duration_shorter(published->validity.not_before, published->end_s);

    if (nothing_is_served(work))
        return work->failed_alike ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING;
    return told && has_time ? LOG_LEVEL_WARNING : LOG_LEVEL_ERR;
}

void cert_log_waits(const struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    char wait[DURATION_TEXT_BYTES], ago[DURATION_TEXT_BYTES];
    uint64_t now_s = clock_now_s(), failed_s = work->state.failed_at_s;

    duration_text(wait_ms / 1000, wait);
    duration_text(failed_s < now_s ? now_s - failed_s : 0, ago);
    event_emit(&(struct event){.kind = EVENT_WAITS,
                               .cert = work->cert->name,
                               .failure = err->kind,
                               .next_try_ms = EVENT_NUMBER(wait_ms)},
               "goes on waiting after the restart, for %s; what failed %s ago was: %s", wait, ago,
               err->text);
}

void cert_log_consumer_failed(const struct cert_work *work, const struct err *err, uint64_t wait_ms)
{
    bool told = reload_state_is_told(&work->state.consumer, work->cert, work->published.generation);
    char left[DURATION_TEXT_BYTES], outlook[OUTLOOK_BYTES];

    if (consumer_is_awaited(&work->state.consumer)) {
        event_emit(&(struct event){.kind = EVENT_AWAITED, .cert = work->cert->name},
                   "the consumer is not there yet (%s); it is told when it is", err->text);
        return;
    }
    write_left(work, left);
    served_text(&work->state.consumer.served, work->published.serial, clock_now_s(), outlook);
    if (outlook[0] == '\0' && work->seen.ours)
        snprintf(outlook, sizeof outlook, "the consumer has the new certificate, which %s%s",
                 left[0] == '\0' ? "has ended" : "ends in ", left);
    else if (outlook[0] == '\0')
        snprintf(outlook, sizeof outlook,
                 "which certificate the consumer serves was not seen; the new files, which %s%s, "
                 "are in place",
                 left[0] == '\0' ? "have ended" : "end in ", left);
    log_failure(work, told ? EVENT_PROOF_FAILED : EVENT_RELOAD_FAILED, consumer_level(work, told),
                err, wait_ms, outlook);
}

void cert_log_link_failed(const struct cert_work *work, const struct err *err)
{
    if (err->kind != ERR_NONE)
        event_emit(&(struct event){.kind = EVENT_LINK_FAILED, .cert = work->cert->name},
                   "a link to the set is missing, all else goes on: %s", err->text);
}

void cert_log_proven(const struct cert_work *work)
{
    event_emit(&(struct event){.kind = EVENT_PROVEN,
                               .cert = work->cert->name,
                               .serial = work->published.serial},
               "the consumer serves serial %s%s", work->published.serial,
               work->cert->prove.method != PROVE_TLS ? "; its chain was not seen"
               : work->cert->prove.tls.mutual        ? ", with a chain that verifies and mutual TLS"
                                                     : ", with a chain that verifies");
}

void cert_log_proof_lost(const struct cert_work *work, const struct err *err)
{
    event_emit(&(struct event){.kind = EVENT_PROOF_LOST,
                               .cert = work->cert->name,
                               .serial = work->published.serial},
               "the consumer does not serve serial %s any more and is told again: %s",
               work->published.serial, err->text);
}

void cert_log_rolled_back(const struct cert_work *work, const struct err *err)
{
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];

    moment_and_wait(work->published.end_s, end, left);
    event_emit(&(struct event){.kind = EVENT_ROLLED_BACK,
                               .cert = work->cert->name,
                               .serial = work->published.serial,
                               .end_s = work->published.end_s},
               "the consumer refuses the new certificate (%s); serial %s is in place again, valid "
               "for %s; a new one is asked for later",
               err->text, work->published.serial, left);
}

void cert_log_rollback_failed(const struct cert_work *work, const struct err *err)
{
    event_emit(&(struct event){.kind = EVENT_ROLLBACK_FAILED, .cert = work->cert->name},
               "going back to the previous certificate is of no use, the new one stays: %s",
               err->text);
}

void cert_log_hurried(const struct cert_work *work)
{
    char due[WHEN_TEXT_BYTES], wait[DURATION_TEXT_BYTES];

    moment_and_wait(work->published.due_s, due, wait);
    event_emit(&(struct event){.kind = EVENT_CA_CHANGED,
                               .cert = work->cert->name,
                               .serial = work->published.serial,
                               .due_s = work->published.due_s},
               "%s; serial %s is replaced in %s", work->hurry.reason, work->published.serial, wait);
}

void cert_log_short_hold(const struct cert_work *work, uint64_t shown_s)
{
    char shown[WHEN_TEXT_BYTES], wait[DURATION_TEXT_BYTES];

    moment_and_wait(shown_s, shown, wait);
    event_emit(&(struct event){.kind = EVENT_ADVICE,
                               .cert = work->cert->name,
                               .serial = work->draft->issued.leaf.serial},
               "the CA has a new issuer, and its certificate is shown in %s, before all peers can "
               "have learned to trust that issuer: the certificate in place ends too soon to wait "
               "longer; set a longer ttl, an earlier renewal, or a shorter ca_poll and ca_spread",
               wait);
}

void cert_log_withdrawn(const struct cert_work *work)
{
    event_emit(
        &(struct event){
            .kind = EVENT_WITHDRAWN, .cert = work->cert->name, .serial = work->published.serial},
        "serial %s was revoked and is not replaced until somebody asks for it: `leafd revoke "
        "%s`, or `leafd once %s` while no agent runs",
        work->published.serial, work->cert->name, work->cert->name);
}

void cert_log_warnings(const struct cert_work *work)
{
    const struct text_list *warnings = &work->draft->reply.warnings;

    for (size_t i = 0; i < warnings->count; i++)
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
                   "the CA warns: %s", warnings->items[i]);
}

static void log_cut_life(const struct cert_work *work, const struct issued *issued,
                         uint64_t given_s)
{
    char given[DURATION_TEXT_BYTES], asked[DURATION_TEXT_BYTES], end[WHEN_TEXT_BYTES];

    duration_text(given_s, given);
    duration_text(work->cert->request.ttl_s, asked);
    clock_text(issued->issuers_end_s, end);
    if (issued->issuers_end_s <= issued->end_s)
        event_emit(
            &(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
            "the new certificate is of use for %s in place of the %s that ttl asks for, since "
            "its issuer %s ends at %s; give the CA an issuer that lives longer",
            given, asked, issued->first_to_end, end);
    else
        event_emit(
            &(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
            "the new certificate is of use for %s in place of the %s that ttl asks for; look "
            "at max_ttl of the role and of the mount",
            given, asked);
}

static void log_issuer_near_end(const struct cert_work *work, const struct issued *issued)
{
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];

    moment_and_wait(issued->issuers_end_s, end, left);
    event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
               "the issuer %s ends at %s, in %s, which is less than three lifetimes of the "
               "certificate; give the CA an issuer that lives longer",
               issued->first_to_end, end, left);
}

static void log_other_path(const struct cert_work *work, const struct issued *issued)
{
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];

    moment_and_wait(issued->soonest_end_s, end, left);
    event_emit(
        &(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
        "another path of the new certificate ends at %s, in %s: before the certificate does; "
        "peers that trust the root of that path alone refuse it from then on",
        end, left);
}

/* Whether it is another fact than the last time, which is noted; "" is none. */
static bool is_told_anew(char last[static 128], const char fact[static 128])
{
    bool anew = fact[0] != '\0' && strcmp(last, fact) != 0;

    memcpy(last, fact, 128);
    return anew;
}

void cert_log_ends(struct cert_work *work, const struct issued *issued)
{
    uint64_t now_s = issued->issued_s, asked_s = work->cert->request.ttl_s;
    uint64_t given_s = issued->end_s > now_s ? issued->end_s - now_s : 0;
    uint64_t left_s = issued->issuers_end_s > now_s ? issued->issuers_end_s - now_s : 0;
    uint64_t life_s = asked_s > given_s ? asked_s : given_s;
    bool is_cut = asked_s > 0 && renewal_life_is_cut(asked_s, given_s);
    bool issuer_cuts = is_cut && issued->issuers_end_s <= issued->end_s;
    struct told_ends ends = {0};

    /* By tenths of the life, and by lives: moments differ with each renewal. No tenth changes at a
     * half or a quarter, which a role may well cut a life to. */
    if (is_cut)
        snprintf(ends.cut, sizeof ends.cut, "%llu %s",
                 (unsigned long long)((given_s * 10 + asked_s * 3 / 10) / asked_s),
                 issuer_cuts ? issued->first_to_end : "");
    if (!issuer_cuts && life_s > 0 && renewal_is_near_end(left_s, life_s))
        snprintf(ends.near, sizeof ends.near, "%llu %s", (unsigned long long)(left_s / life_s),
                 issued->first_to_end);
    if (issued->soonest_end_s < issued->end_s)
        snprintf(ends.other, sizeof ends.other, "%llu", (unsigned long long)issued->soonest_end_s);
    if (is_told_anew(work->told_ends.cut, ends.cut))
        log_cut_life(work, issued, given_s);
    if (is_told_anew(work->told_ends.near, ends.near))
        log_issuer_near_end(work, issued);
    if (is_told_anew(work->told_ends.other, ends.other))
        log_other_path(work, issued);
}

void cert_log_odd_subject(const struct cert_work *work, const struct issued *issued)
{
    if (issued->odd_subject[0] != '\0')
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name}, "%s",
                   issued->odd_subject);
}

void cert_log_leased(const struct cert_work *work)
{
    event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
               "the role %s has generate_lease = true: the certificate is revoked when the token "
               "that asked for it ends%s; set generate_lease = false in the role",
               work->cert->pki_role,
               work->tools->stays ? ", which is put off as long as the token can be renewed"
                                  : ", and nobody renews that token once this command has ended");
}

void cert_log_bug(const struct cert_work *work, const char *state, int event)
{
    event_emit(&(struct event){.kind = EVENT_BUG, .cert = work->cert->name},
               "event %d has no meaning while %s; it is ignored; please report this", event, state);
}
