#include "cert/issuance.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cert/cert_advice.h"
#include "cert/cert_log.h"
#include "cert/decide.h"
#include "cert/issuance_meaning.h"
#include "pki/vet.h"
#include "plan/ca_news.h"

#include <string.h>

/* -- actions --------------------------------------------------------------------------------------
 */

static void end_ask(struct issuance *issuance)
{
    issuance->asked = issuance->asked_by_name = issuance->is_optional = false;
}

static void rest(struct issuance *issuance, uint64_t moment_s, uint64_t wait_ms)
{
    issuance_release(issuance);
    wall_timer_set(&issuance->timer, moment_s, wait_ms);
    issuance->tried = true;
}

static void tell_in_place(struct issuance *issuance, enum in_place how)
{
    issuance->listener->in_place(issuance->work, how);
}

static void act_nothing(struct issuance *issuance)
{
    (void)issuance;
}

static void act_read(struct issuance *issuance)
{
    issuance->is_optional = false;
    issuance->next_try_us = 0;
    issuance->restages = false;
    wall_timer_set(&issuance->timer, 0, 0);
    issuance_release(issuance);
    stage_read(issuance);
}

/* Stops work that was for the old section. */
static void act_begin_anew(struct issuance *issuance)
{
    issuance_cancel(issuance);
    issuance->repaired[0] = '\0';
    act_read(issuance);
}

/* The held generation may still be useful; the next read decides. */
static void act_reconsider_held(struct issuance *issuance)
{
    cert_work_leave_held(issuance->work);
    act_begin_anew(issuance);
}

static void act_rest_until_due(struct issuance *issuance)
{
    rest(issuance, issuance->work->published.due_s, 0);
}

static void forget_failures(struct issuance *issuance)
{
    struct cert_state *state = &issuance->work->state;

    if (trouble_err(&state->issuing)->kind == ERR_NONE && state->restart.asked_with[0] == '\0')
        return;
    trouble_clear(&state->issuing);
    state->restart = (struct restart_state){0};
    cert_work_save(issuance->work);
}

static void act_rest_fresh(struct issuance *issuance)
{
    cert_log_found(issuance->work);
    /* The failures were of a certificate that is no longer needed. */
    forget_failures(issuance);
    act_rest_until_due(issuance);
    tell_in_place(issuance, IN_PLACE_FRESH);
}

static void act_queue(struct issuance *issuance)
{
    cert_log_wanted(issuance->work, issuance->work->cert->is_trust
                                        ? "reading the CA's issuers"
                                        : "asking the CA for a certificate");
    issuance->next_try_us = 0;
    issuance->restages = false;
    wall_timer_set(&issuance->timer, 0, 0);
    stage_queue(issuance);
}

static void act_queue_due(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    const struct early_renewal *early = &work->early_renewal;
    bool is_early = early->due_s != 0 && early->due_s <= work->published.due_s;

    cert_work_give_reason(work, is_early               ? early->reason
                                : work->cert->is_trust ? BUNDLE_DUE
                                                       : CERT_DUE);
    work->in_time = !is_early;
    issuance->is_optional = false;
    act_queue(issuance);
}

/* Whoever asks is told of the certificate that is on its way; if these are only files of the
 * published one, another is asked for afterwards. */
static void act_join(struct issuance *issuance)
{
    issuance->asked = true;
}

static void act_read_asked(struct issuance *issuance)
{
    act_join(issuance);
    act_read(issuance);
}

/* As careful as a normal renewal: peers learn another issuer first. */
static void act_queue_asked(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;

    act_join(issuance);
    issuance->is_optional = true;
    work->in_time = work->early_renewal.due_s == 0 && work->heeded.revocation == REVOCATION_NONE;
    cert_work_give_reason(work, issuance_asked_reason);
    act_queue(issuance);
}

/* A revoked generation is never rolled back to. */
static void forget_revoked(struct issuance *issuance, enum revocation revocation)
{
    cert_work_heed(issuance->work, revocation);
    issuance->work->state.consumer.accepted[0] = '\0';
    issuance->repairable = issuance->is_optional = issuance->work->in_time = false;
}

static void act_queue_revoked(struct issuance *issuance)
{
    forget_revoked(issuance, REVOCATION_REPLACED);
    cert_work_give_reason(issuance->work, "the published certificate was revoked");
    act_queue(issuance);
}

static void act_withdraw(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;

    issuance_cancel(issuance);
    forget_revoked(issuance, REVOCATION_FINAL);
    cert_work_drop_draft(work);
    cert_work_forget_held(work);
    cert_work_forget_early_renewal(work);
    issuance->next_try_us = 0;
    end_ask(issuance);
    cert_log_withdrawn(work);
    rest(issuance, 0, 0);
    issuance->listener->withdrawn(work);
}

static void act_queue_to_restage(struct issuance *issuance)
{
    cert_log_wanted(issuance->work, "rewriting the files");
    issuance->repairable = false;
    issuance->restages = true;
    stage_queue_to_restage(issuance);
}

/* Rewrites files during the wait for the CA, which continues. */
static void act_repair(struct issuance *issuance)
{
    issuance->next_try_us = issuance->timer.until_us;
    wall_timer_set(&issuance->timer, 0, 0);
    act_queue_to_restage(issuance);
}

static void act_vet(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;

    cert_advice_warnings(work);
    if (work->draft->reply.leased && !work->told_lease) {
        cert_advice_leased(work);
        work->told_lease = true;
    }
    stage_vet(issuance);
}

static void act_hold(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;

    end_ask(issuance);
    cert_log_held(work);
    /* The hold may be long, so the turn is given to others. */
    issuance->turn = slot_drop(issuance->turn);
    wall_timer_set(&issuance->timer, work->draft->issued.leaf.validity.not_before, 0);
    issuance->tried = true;
    tell_in_place(issuance, IN_PLACE_FOR_NOW);
}

static void act_hold_staged(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;

    memcpy(work->state.held, work->draft->generation, sizeof work->state.held);
    cert_work_save(work);
    act_hold(issuance);
}

/* Holds the staged generation until peers trust its CA, and announces the CA now. */
static void act_announce(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;

    memcpy(work->state.held, work->draft->generation, sizeof work->state.held);
    end_ask(issuance);
    cert_work_leave_held(work);
    cert_work_save(work);
    cert_work_forget_early_renewal(work);
    work->early_renewal.reason = "the CA has another issuer now";
    work->published.due_s = work->state.ca.held_until_s;
    cert_log_renewed_early(work);
    cert_work_give_reason(work, CA_ANNOUNCING);
    act_queue_to_restage(issuance);
}

/* The set stays as it is until the issuers are read again. */
static void act_rest_unchanged(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    const struct issued *issued = &work->draft->issued;
    char generation[GENERATION_NAME_BYTES];

    memcpy(generation, work->published.generation, sizeof generation);
    cert_work_note_published(work, generation, &issued->leaf, issued->end_s,
                             work->published.issued_s);
    issuance_release(issuance);
    cert_log_unchanged(work);
    issuance->issued++;
    end_ask(issuance);
    forget_failures(issuance);
    act_rest_until_due(issuance);
    tell_in_place(issuance, IN_PLACE_FRESH);
}

static void act_rest_published(struct issuance *issuance)
{
    cert_log_published(issuance->work);
    forget_failures(issuance);
    if (!issuance->restages) {
        issuance->issued++;
        end_ask(issuance);
    }
    act_rest_until_due(issuance);
    tell_in_place(issuance, IN_PLACE_PUBLISHED);
}

/* Continues the wait for the CA. */
static void rest_on(struct issuance *issuance)
{
    uint64_t now_us = clock_boot_us(), until_us = issuance->next_try_us;

    issuance->next_try_us = 0;
    rest(issuance, 0, until_us > now_us ? (until_us - now_us) / 1000 + 1 : 1);
}

static void act_rest_repaired(struct issuance *issuance)
{
    cert_log_published(issuance->work);
    rest_on(issuance);
    tell_in_place(issuance, IN_PLACE_PUBLISHED);
}

/* The failed repair does not change the time of the next request. */
static void act_rest_unrepaired(struct issuance *issuance)
{
    uint64_t now_us = clock_boot_us(), until_us = issuance->next_try_us;

    cert_log_failed(issuance->work, issuance->err,
                    until_us > now_us ? (until_us - now_us) / 1000 : 0);
    rest_on(issuance);
    tell_in_place(issuance, IN_PLACE_FOR_NOW);
}

/* rename(2) may have succeeded although it reported a failure: the published generation is not
 * known. */
static void act_back_off_unsure(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    uint64_t wait_ms = cert_work_note_failure(work, issuance->err);

    end_ask(issuance);
    cert_log_failed(work, trouble_err(&work->state.issuing), wait_ms);
    rest(issuance, 0, wait_ms);
}

/* The read sees that the published certificate is as it should be, and waits until its renewal. */
static void act_give_up(struct issuance *issuance)
{
    issuance->unmet = issuance->err;
    end_ask(issuance);
    cert_log_failed(issuance->work, issuance->err, CERT_LOG_NOT_REPEATED);
    act_read(issuance);
}

/* During an outage damaged files are repaired, and the consumer gets what is published. */
static void use_wait(struct issuance *issuance)
{
    issuance->repairs_next = issuance->repairable && cert_work_lasts(issuance->work);
    if (issuance->repairs_next)
        cert_work_give_reason(
            issuance->work,
            "the published files are not as they should be, and the CA is not available");
    else
        tell_in_place(issuance, IN_PLACE_FOR_NOW);
}

static void act_back_off(struct issuance *issuance)
{
    act_back_off_unsure(issuance);
    use_wait(issuance);
}

/* After a restart. */
static void act_wait_on(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    const struct trouble *trouble = &work->state.issuing;
    uint64_t wait_ms = cert_work_resume_ms(work);

    /* The wait may have ended meanwhile; a timer with 0 would never ring. */
    if (wait_ms == 0)
        wait_ms = 1000;
    cert_log_waits(work, trouble_err(trouble), wait_ms);
    rest(issuance, 0, wait_ms);
    use_wait(issuance);
}

static void act_rest_refused(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    uint64_t wait_ms = cert_work_note_refused(work, issuance->err);

    cert_log_failed(work, trouble_err(&work->state.issuing), wait_ms);
    rest(issuance, 0, wait_ms);
}

/* -- the table ------------------------------------------------------------------------------------
 */

typedef void action(struct issuance *issuance);

struct cell {
    action *act; /* NULL: the state does not expect the event */
    enum issuance_state next;
};

/* clang-format off */
#define AT(state)  ISSUANCE_##state
#define ON(event)  ISSUANCE_ON_##event
#define STAY(at)  { act_nothing, AT(at) }
#define READ_ANEW { act_begin_anew, AT(READING) }
#define WITHDRAW  { act_withdraw, AT(WITHDRAWN) }
#define GIVE_UP   [ON(UNMET)] = { act_give_up, AT(READING) }
#define JOIN(at)  [ON(ASKED)] = { act_join, AT(at) }

/* Events that change nothing while a certificate is on its way or a wait is in force. */
#define UNTOUCHED(at)  [ON(RECONSIDER)] = STAY(at), [ON(RESCHEDULED)] = STAY(at), [ON(RUINED)] = STAY(at), \
                       [ON(REFUSED)] = STAY(at)
/* The certificate on its way also answers these; damage is repaired when it is published. */
#define ON_ITS_WAY(at) UNTOUCHED(at), [ON(DAMAGED)] = STAY(at), [ON(REVOKED)] = STAY(at), [ON(WITHDRAW)] = WITHDRAW
#define UNDER_WAY(at)  ON_ITS_WAY(at), JOIN(at), [ON(CHANGED)] = READ_ANEW, [ON(FAILED)] = { act_back_off, AT(BACKING_OFF) }, GIVE_UP
#define REWRITTEN(at)  UNDER_WAY(at), [ON(UNREPAIRED)] = { act_rest_unrepaired, AT(BACKING_OFF) }

static const struct cell table[ISSUANCE_STATE_COUNT][ISSUANCE_EVENT_COUNT] = {
    [AT(READING)]           = { [ON(FRESH)]       = { act_rest_fresh,       AT(IDLE) },
                                [ON(WANTED)]      = { act_queue,            AT(QUEUED) },
                                [ON(LATER)]       = { act_wait_on,          AT(BACKING_OFF) },
                                [ON(HELD)]        = { act_hold,             AT(HOLDING) },
                                [ON(HELD_READY)]  = { stage_validate,       AT(VALIDATING) },
                                [ON(RESTAGE)]     = { act_queue_to_restage, AT(QUEUED_TO_RESTAGE) },
                                [ON(FAILED)]      = { act_back_off_unsure,  AT(BACKING_OFF) },
                                [ON(CHANGED)]     = READ_ANEW, JOIN(READING),               ON_ITS_WAY(READING) },
    [AT(IDLE)]              = { [ON(DUE)]         = { act_queue_due,        AT(QUEUED) },
                                [ON(RESCHEDULED)] = { act_rest_until_due,   AT(IDLE) },
                                [ON(REVOKED)]     = { act_queue_revoked,    AT(QUEUED) },
                                [ON(REFUSED)]     = { act_rest_refused,     AT(BACKING_OFF) },
                                [ON(RECONSIDER)]  = { act_read,             AT(READING) },
                                [ON(DAMAGED)]     = { act_read,             AT(READING) },
                                [ON(RUINED)]      = { act_read,             AT(READING) },
                                [ON(ASKED)]       = { act_queue_asked,      AT(QUEUED) },
                                [ON(CHANGED)]     = READ_ANEW, [ON(WITHDRAW)] = WITHDRAW },
    [AT(QUEUED)]            = { [ON(DONE)]        = { stage_make_key,       AT(MAKING_KEY) },  UNDER_WAY(QUEUED) },
    [AT(MAKING_KEY)]        = { [ON(DONE)]        = { stage_sign,           AT(SIGNING) },     UNDER_WAY(MAKING_KEY) },
    [AT(SIGNING)]           = { [ON(DONE)]        = { act_vet,              AT(VETTING) },     UNDER_WAY(SIGNING) },
    [AT(VETTING)]           = { [ON(DONE)]        = { stage_stage,          AT(STAGING) },
                                [ON(UNCHANGED)]   = { act_rest_unchanged,   AT(IDLE) },        UNDER_WAY(VETTING) },
    [AT(QUEUED_TO_RESTAGE)] = { [ON(DONE)]        = { stage_recover,        AT(RECOVERING) },  REWRITTEN(QUEUED_TO_RESTAGE) },
    [AT(RECOVERING)]        = { [ON(DONE)]        = { stage_stage,          AT(STAGING) },     REWRITTEN(RECOVERING) },
    [AT(STAGING)]           = { [ON(DONE)]        = { stage_validate,       AT(VALIDATING) },
                                [ON(EARLY)]       = { act_hold_staged,      AT(HOLDING) },
                                [ON(UNKNOWN_ISSUER)] = { act_announce,      AT(QUEUED_TO_RESTAGE) }, REWRITTEN(STAGING) },
    [AT(HOLDING)]           = { [ON(DUE)]         = { stage_validate,       AT(VALIDATING) },
                                [ON(OVERDUE)]     = { act_read,             AT(READING) },
                                /* What is held is what is asked for. */
                                [ON(ASKED)]       = STAY(HOLDING),
                                [ON(CHANGED)]     = { act_reconsider_held,  AT(READING) },   ON_ITS_WAY(HOLDING) },
    [AT(VALIDATING)]        = { [ON(DONE)]        = { stage_publish,        AT(PUBLISHING) },  REWRITTEN(VALIDATING) },
    [AT(PUBLISHING)]        = { [ON(DONE)]        = { act_rest_published,   AT(IDLE) },
                                [ON(REPAIRED)]    = { act_rest_repaired,    AT(BACKING_OFF) },
                                [ON(FAILED)]      = { act_back_off_unsure,  AT(BACKING_OFF) }, GIVE_UP,
                                [ON(UNREPAIRED)]  = { act_rest_unrepaired,  AT(BACKING_OFF) },
                                /* The mark is reported again when the published generation is
                                 * known. */
                                [ON(REVOKED)]     = STAY(PUBLISHING), [ON(WITHDRAW)] = STAY(PUBLISHING),
                                [ON(DAMAGED)]     = STAY(PUBLISHING), [ON(CHANGED)] = READ_ANEW, JOIN(PUBLISHING),
                                UNTOUCHED(PUBLISHING) },
    [AT(BACKING_OFF)]       = { [ON(RETRY)]       = { act_read,             AT(READING) },
                                [ON(REVOKED)]     = { act_read,             AT(READING) },
                                [ON(DAMAGED)]     = { act_repair,           AT(QUEUED_TO_RESTAGE) },
                                [ON(ASKED)]       = { act_read_asked,       AT(READING) },
                                [ON(CHANGED)]     = READ_ANEW, [ON(WITHDRAW)] = WITHDRAW,    UNTOUCHED(BACKING_OFF) },
    [AT(WITHDRAWN)]         = { [ON(REVOKED)]     = { act_queue_revoked,    AT(QUEUED) },
                                [ON(ASKED)]       = { act_queue_asked,      AT(QUEUED) },
                                [ON(DAMAGED)]     = STAY(WITHDRAWN), [ON(WITHDRAW)] = STAY(WITHDRAWN),
                                [ON(CHANGED)]     = READ_ANEW,                              UNTOUCHED(WITHDRAWN) },
};
/* clang-format on */

/* What follows a transition at once; false: nothing. */
static bool follows(struct issuance *issuance, enum issuance_event *ret_event)
{
    bool repairs = issuance->repairs_next;

    issuance->repairs_next = false;
    *ret_event = repairs ? ISSUANCE_ON_DAMAGED : ISSUANCE_ON_ASKED;
    if (issuance_is_held(issuance))
        end_ask(issuance);
    return repairs || (issuance->asked && issuance->taking == 0 && issuance_rests(issuance));
}

static void take(struct issuance *issuance, enum issuance_event event, const struct err *err)
{
    const struct cell *cell = &table[issuance->state][event];

    if (cell->act == NULL) {
        cert_log_bug(issuance->work, "issuance", (int)issuance->state, (int)event);
        return;
    }
    issuance->taking++;
    issuance->state = cell->next;
    issuance->err = err;
    cell->act(issuance);
    issuance->taking--;
    if (follows(issuance, &event)) {
        take(issuance, event, NULL);
    } else if (issuance->taking == 0) {
        issuance->listener->stepped(issuance->work);
        issuance->unmet = NULL;
    }
}

/* An unexpected result is a bug; it must not leave the machine without a timer. */
static void on_stage_end(struct issuance *issuance, enum issuance_event event,
                         const struct err *err)
{
    struct err bug;

    event = issuance_meaning(issuance, event);
    if (table[issuance->state][event].act == NULL && !issuance_rests(issuance)) {
        cert_log_bug(issuance->work, "issuance", (int)issuance->state, (int)event);
        err_set(&bug, ERR_LOCAL, "leafd reached an unexpected state; please report this");
        err = &bug;
        event = ISSUANCE_ON_FAILED;
    }
    take(issuance, event, err);
}

static void on_ring(void *arg, bool reached)
{
    struct issuance *issuance = arg;
    const struct cert_work *work = issuance->work;

    if (!reached)
        take(issuance, ISSUANCE_ON_RETRY, NULL);
    else if (issuance->state == ISSUANCE_HOLDING)
        /* The machine may have slept, or its clock been set, long past notBefore. */
        take(issuance,
             vet_lasts(work->draft->issued.end_s, clock_now_s()) ? ISSUANCE_ON_DUE
                                                                 : ISSUANCE_ON_OVERDUE,
             NULL);
    else
        /* Reads the disk, to see whether the held generation is still useful. */
        take(issuance, work->state.ca.held_until_s != 0 ? ISSUANCE_ON_RECONSIDER : ISSUANCE_ON_DUE,
             NULL);
}

void issuance_hear(struct issuance *issuance, enum issuance_event event, const struct err *err)
{
    if (event == ISSUANCE_ON_DAMAGED && !cert_work_lasts(issuance->work))
        event = ISSUANCE_ON_RUINED;
    take(issuance, event, err);
}

void issuance_ask(struct issuance *issuance, bool by_name)
{
    if (issuance_is_held(issuance) || (issuance->state == ISSUANCE_WITHDRAWN && !by_name))
        return;
    issuance->asked_by_name |= by_name;
    take(issuance, ISSUANCE_ON_ASKED, NULL);
}

/* -- begin and end -------------------------------------------------------------------------
 */

bool issuance_open(struct issuance *issuance, struct cert_work *work,
                   const struct issuance_listener *listener, struct err *err)
{
    *issuance = (struct issuance){.work = work, .listener = listener, .end = on_stage_end};
    return wall_timer_open(&issuance->timer, work->tools->loop, on_ring, issuance, err);
}

void issuance_begin(struct issuance *issuance)
{
    act_read(issuance);
}

void issuance_close(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;

    issuance_cancel(issuance);
    cert_work_leave_held(work);
    issuance->turn = slot_drop(issuance->turn);
    config_unref(TAKE(issuance->config));
    work->listing = slot_drop(work->listing);
    work->list_job = NULL;
    wall_timer_close(&issuance->timer);
}
