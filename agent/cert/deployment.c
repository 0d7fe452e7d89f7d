#include "cert/deployment.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/consumer.h"

#include <stdlib.h>
#include <string.h>

enum { SOONER_MS = 5000 };

enum deployment_event {
    DEPLOYMENT_ON_DONE,       /* the stage succeeded */
    DEPLOYMENT_ON_RECOVERED,  /* likewise, after failures */
    DEPLOYMENT_ON_FAILED,     /* it failed and is retried; err says why */
    DEPLOYMENT_ON_LEFT_ALONE, /* it failed, and a reload would not help: checked again later */
    DEPLOYMENT_ON_NOBODY,  /* the reload found no consumer; another process may serve an old leaf */
    DEPLOYMENT_ON_LOST,    /* the consumer has stopped serving the leaf */
    DEPLOYMENT_ON_REFUSED, /* it has refused the generation often enough */
    DEPLOYMENT_ON_PUBLISHED, /* a generation was published */
    DEPLOYMENT_ON_PENDING,   /* the published one needs a reload */
    DEPLOYMENT_ON_NOTIFIED,  /* the published one needs a proof */
    DEPLOYMENT_ON_AWAY, /* it was accepted, but the consumer is not there any more: only checked */
    DEPLOYMENT_ON_VERIFIED, /* it is served, or the section asks for nothing */
    DEPLOYMENT_ON_STOP,     /* stop all work */
    DEPLOYMENT_ON_RETRY,    /* the wait is over */
    DEPLOYMENT_ON_EXPIRED,  /* likewise, and the published certificate has ended */
    DEPLOYMENT_ON_EARLY,    /* the published certificate is not valid yet: the clock is wrong */
    DEPLOYMENT_EVENT_COUNT
};

bool deployment_rests(const struct deployment *deployment)
{
    return deployment->state == DEPLOYMENT_IDLE || deployment->state == DEPLOYMENT_BACKING_OFF;
}

static void keep(char to[static GENERATION_NAME_BYTES], const char *generation)
{
    snprintf(to, GENERATION_NAME_BYTES, "%s", generation);
}

/* -- what the consumer served ---------------------------------------------------------------------
 */

/* Whether it accepted this generation and is not there now: it may have been stopped on purpose. */
static bool was_stopped(const struct cert_work *work)
{
    const struct consumer_state *consumer = &work->state.consumer;

    return work->cert->prove.method != PROVE_NONE && consumer->missing &&
           strcmp(consumer->accepted, work->published.generation) == 0;
}

/*
 * Whether it has loaded this generation, and the fault is in its own configuration: it serves the
 * leaf without its chain, or accepts anybody. A reload or rollback would not help. The same holds
 * if the leaf is served but the proof failed elsewhere, such as a mutual TLS test that could not
 * run. It is checked again at growing intervals.
 */
static bool is_for_a_person(const struct cert_work *work)
{
    return work->seen.finding == PROVE_BAD_CHAIN || work->seen.finding == PROVE_NOT_MUTUAL ||
           work->seen.finding == PROVE_SERVED;
}

/* Whether there is no listener. A local failure says nothing about the consumer. */
static bool is_nobody_there(const struct cert_work *work, const struct err *err)
{
    return work->seen.finding == PROVE_UNREACHABLE && err->kind != ERR_LOCAL;
}

static bool has_failed(const struct cert_work *work)
{
    return work->state.consumer.trouble.failures > 0;
}

/* -- events: the meaning of a stage's result ------------------------------------------------------
 */

/* Stores the failure, and decides between retry, later check and rollback. */
static enum deployment_event count_failure(struct deployment *deployment, const struct err *err)
{
    struct cert_work *work = deployment->work;
    bool is_look_of_ours = deployment->state == DEPLOYMENT_CHECKING && err->kind == ERR_LOCAL;

    deployment->wait_ms = cert_work_note_refusal(work, err);
    if (rollback_is_due(&work->state.consumer, work->cert, work->published.generation,
                        work->previous))
        return DEPLOYMENT_ON_REFUSED;
    return was_stopped(work) || is_for_a_person(work) || is_look_of_ours ? DEPLOYMENT_ON_LEFT_ALONE
                                                                         : DEPLOYMENT_ON_FAILED;
}

static enum deployment_event judge_reload(struct deployment *deployment, const struct err *err)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;

    consumer->missing = err->nobody;
    /* No process was found for the reload, but another one may serve. */
    if (consumer->missing && work->cert->prove.method != PROVE_NONE)
        return DEPLOYMENT_ON_NOBODY;
    consumer->refusals += consumer->missing || err->kind == ERR_LOCAL ? 0 : 1;
    return count_failure(deployment, err);
}

static enum deployment_event judge_proof(struct deployment *deployment, const struct err *err)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;

    deployment_note_served(work, err);
    consumer->missing = is_nobody_there(work, err);
    /* Serving the old leaf is no refusal; nor is a local failure, such as a lack of memory. */
    if (work->seen.finding != PROVE_OTHER_LEAF && !is_for_a_person(work) && err->kind != ERR_LOCAL)
        consumer->refusals++;
    consumer->proven[0] = '\0';
    return count_failure(deployment, err);
}

/* The check after a reload that found no consumer. */
static enum deployment_event judge_look(struct deployment *deployment, const struct err *look_err)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;
    const char *nobody = deployment->nobody == NULL ? "" : deployment->nobody->text;
    struct err err = *look_err;

    deployment_note_served(work, look_err);
    /* A proving command cannot tell a missing consumer from one with an old leaf. */
    consumer->missing = is_nobody_there(work, look_err) ||
                        (work->seen.finding == PROVE_SAYS_NO && err.kind != ERR_LOCAL);
    consumer->proven[0] = '\0';
    if (consumer->missing)
        err_set(&err, ERR_CONSUMER, "%.191s", nobody);
    else
        err_append(&err, "; it could not be told, since nobody was found: %.191s", nobody);
    return count_failure(deployment, &err);
}

static enum deployment_event judge_check(struct deployment *deployment, const struct err *err)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;
    bool is_of_ours = err->kind == ERR_LOCAL;

    deployment_note_served(work, err);
    if (!is_of_ours)
        consumer->proven[0] = '\0';
    consumer->missing = is_nobody_there(work, err);
    if (consumer->missing || is_for_a_person(work) || is_of_ours)
        return count_failure(deployment, err);
    return DEPLOYMENT_ON_LOST;
}

static enum deployment_event judge(struct deployment *deployment, const struct err *err)
{
    static enum deployment_event (*const judges[DEPLOYMENT_STATE_COUNT])(
        struct deployment * deployment, const struct err *err) = {
        [DEPLOYMENT_RELOADING] = judge_reload,
        [DEPLOYMENT_PROVING] = judge_proof,
        [DEPLOYMENT_LOOKING] = judge_look,
        [DEPLOYMENT_CHECKING] = judge_check,
    };

    if (err->kind == ERR_NONE)
        return deployment->state == DEPLOYMENT_CHECKING && has_failed(deployment->work)
                   ? DEPLOYMENT_ON_RECOVERED
                   : DEPLOYMENT_ON_DONE;
    return judges[deployment->state] == NULL ? DEPLOYMENT_ON_FAILED
                                             : judges[deployment->state](deployment, err);
}

/* -- actions --------------------------------------------------------------------------------------
 */

static void act_nothing(struct deployment *deployment)
{
    (void)deployment;
}

/* Ends the stage, and waits; 0: until an event. */
static void wait_for(struct deployment *deployment, uint64_t wait_ms)
{
    deployment_cancel(deployment);
    wall_timer_set(&deployment->timer, 0, wait_ms);
}

/* Until the next check: between half and one and a half of prove_every, so that a fleet's checks
 * spread. */
static void act_rest(struct deployment *deployment)
{
    const struct cert_config *cert = deployment->work->cert;
    uint64_t every_ms = cert->prove.method == PROVE_NONE ? 0 : cert->prove_every_s * 1000;

    wait_for(deployment, every_ms / 2 + random_share(every_ms, random_draw()));
}

/* The section may be another one, so what was seen does not count. */
static void act_stop(struct deployment *deployment)
{
    deployment->generation[0] = '\0';
    deployment->work->seen = (struct prove_seen){.finding = PROVE_NOT_LOOKED};
    wait_for(deployment, 0);
}

/* Waits for notBefore. The clock may be corrected before; on_ring then checks again. */
static void act_await_begin(struct deployment *deployment)
{
    deployment->generation[0] = '\0';
    deployment_cancel(deployment);
    wall_timer_set(&deployment->timer, deployment->work->published.validity.not_before, 0);
}

static void act_reload(struct deployment *deployment)
{
    wait_for(deployment, 0);
    stage_reload(deployment);
}

static void act_reload_new(struct deployment *deployment)
{
    struct consumer_state *consumer = &deployment->work->state.consumer;

    trouble_clear(&consumer->trouble);
    consumer->refusals = 0;
    consumer->insists = false;
    consumer->refused[0] = '\0';
    act_reload(deployment);
}

static void act_prove(struct deployment *deployment)
{
    wait_for(deployment, 0);
    stage_prove(deployment);
}

static void act_prove_reloaded(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;

    if (work->cert->reloads.items[0].verb != RELOAD_NONE) {
        cert_log_reloaded(work);
        keep(work->state.consumer.reloaded, work->published.generation);
        if (work->cert->prove.method != PROVE_NONE)
            cert_work_save(work);
    }
    act_prove(deployment);
}

static void act_check(struct deployment *deployment)
{
    wait_for(deployment, 0);
    stage_check(deployment);
}

static void act_look(struct deployment *deployment)
{
    free(deployment->nobody);
    deployment->nobody = malloc(sizeof *deployment->nobody);
    if (deployment->nobody != NULL)
        *deployment->nobody = *deployment->err;
    stage_check(deployment);
}

static void act_try_later(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;

    cert_log_consumer_failed(work, trouble_err(&work->state.consumer.trouble), deployment->wait_ms);
    wait_for(deployment, deployment->wait_ms);
}

static void act_reload_lost(struct deployment *deployment)
{
    cert_log_proof_lost(deployment->work, deployment->err);
    act_reload(deployment);
}

/* Stores that the generation was accepted, and clears the failures. */
static void act_verified(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;
    const char *generation = work->published.generation;
    enum consumer_progress reached;
    bool failed = has_failed(work);

    consumer_forget_tries(consumer);
    deployment_note_served(work, deployment->err);
    keep(consumer->accepted, generation);
    keep(consumer->reloaded, generation);
    keep(consumer->proven, generation);
    reached = consumer_progress_of(consumer, work->cert, generation);
    if (reached == PROGRESS_PROVEN)
        cert_log_proven(work);
    if (reached != PROGRESS_NONE || failed)
        cert_work_save(work);
    work->seen.finding = PROVE_NOT_LOOKED; /* the next stage starts with nothing seen */
    cert_directory_plan_removal(work);
    act_rest(deployment);
}

static void act_still_served(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;

    deployment_note_served(work, deployment->err);
    work->seen.finding = PROVE_NOT_LOOKED;
    act_rest(deployment);
}

static void act_roll_back(struct deployment *deployment)
{
    wait_for(deployment, 0);
    stage_roll_back(deployment);
}

static void act_reload_back(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;

    cert_log_rolled_back(work, trouble_err(&work->state.consumer.trouble));
    keep(work->state.consumer.refused, work->previous);
    keep(deployment->generation, work->published.generation);
    stage_reload(deployment);
}

/*
 * The previous generation fails as well, so the generation is not the cause. A local failure or a
 * missing consumer says nothing about either; then one more refusal starts another rollback.
 */
static void act_roll_forward(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;
    const struct err *err = deployment->err;
    struct consumer_state *consumer = &work->state.consumer;

    cert_log_rollback_failed(work, err);
    if (err->kind == ERR_LOCAL || err->nobody || is_nobody_there(work, err))
        consumer->refusals = REFUSALS_ENOUGH - 1;
    else
        consumer->insists = true;
    consumer->refused[0] = '\0';
    stage_roll_back(deployment);
}

static void act_verified_back(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;
    const struct err why = *trouble_err(&consumer->trouble);
    const char *generation = work->published.generation;

    deployment_note_served(work, deployment->err);
    consumer_forget_tries(consumer);
    keep(consumer->accepted, generation);
    keep(consumer->reloaded, generation);
    keep(consumer->proven, generation);
    keep(consumer->refused, work->previous);
    work->seen.finding = PROVE_NOT_LOOKED;
    cert_directory_remove_previous(work);
    cert_work_save(work);
    act_rest(deployment);
    deployment->listener->refused(work, &why);
}

static void act_retry_forward(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;
    const struct err failure = *trouble_err(&work->state.consumer.trouble);

    keep(deployment->generation, work->published.generation);
    deployment->wait_ms = cert_work_note_refusal(work, &failure);
    act_try_later(deployment);
}

/* rename(2) may have succeeded although it reported a failure, so issuance reads the disk again. */
static void act_cannot_swap(struct deployment *deployment)
{
    struct cert_work *work = deployment->work;

    cert_log_rollback_failed(work, deployment->err);
    work->state.consumer.insists = true;
    act_retry_forward(deployment);
    deployment->listener->unsure(work);
}

/* -- the table ------------------------------------------------------------------------------------
 */

typedef void action(struct deployment *deployment);

struct cell {
    action *act; /* NULL: the state does not expect the event */
    enum deployment_state next;
};

/* clang-format off */
#define AT(state)  DEPLOYMENT_##state
#define ON(event)  DEPLOYMENT_ON_##event
#define STAY(at) { act_nothing, AT(at) }

/* A new generation, or a stop, ends all work on the previous one. */
#define NEWER    [ON(PUBLISHED)] = { act_reload_new, AT(RELOADING) }
#define FOUND    [ON(PENDING)] = { act_reload, AT(RELOADING) }, [ON(NOTIFIED)] = { act_prove, AT(PROVING) }, \
                 [ON(AWAY)] = { act_check, AT(CHECKING) }, [ON(VERIFIED)] = { act_rest, AT(IDLE) }
#define EARLY    [ON(EARLY)] = { act_await_begin, AT(IDLE) }
#define ENDS     NEWER, FOUND, [ON(STOP)] = { act_stop, AT(IDLE) }
/* The published generation is known only when the switch of the names has ended, which cert waits
 * for. */
#define SWITCHES(at) [ON(PENDING)] = STAY(at), [ON(NOTIFIED)] = STAY(at), [ON(AWAY)] = STAY(at), \
                 [ON(VERIFIED)] = STAY(at), [ON(STOP)] = { act_stop, AT(IDLE) }, NEWER
#define FAILS    [ON(FAILED)] = { act_try_later, AT(BACKING_OFF) }, [ON(LEFT_ALONE)] = { act_try_later, AT(IDLE) }, \
                 [ON(REFUSED)] = { act_roll_back, AT(ROLLING_BACK) }

static const struct cell table[DEPLOYMENT_STATE_COUNT][DEPLOYMENT_EVENT_COUNT] = {
    [AT(IDLE)]            = { [ON(RETRY)]   = { act_check,          AT(CHECKING) },
                              [ON(EXPIRED)] = { act_check,          AT(CHECKING) },        EARLY, ENDS },
    [AT(RELOADING)]       = { [ON(DONE)]    = { act_prove_reloaded, AT(PROVING) },
                              [ON(NOBODY)]  = { act_look,           AT(LOOKING) },  FAILS, ENDS },
    [AT(PROVING)]         = { [ON(DONE)]    = { act_verified,       AT(IDLE) },     FAILS, ENDS },
    [AT(LOOKING)]         = { [ON(DONE)]    = { act_verified,       AT(IDLE) },     FAILS, ENDS },
    [AT(CHECKING)]        = { [ON(DONE)]    = { act_still_served,   AT(IDLE) },
                              [ON(RECOVERED)] = { act_verified,     AT(IDLE) },
                              [ON(LOST)]    = { act_reload_lost,    AT(RELOADING) }, FAILS, ENDS },
    [AT(BACKING_OFF)]     = { [ON(RETRY)]   = { act_reload,         AT(RELOADING) },
                              [ON(EXPIRED)] = { act_stop,           AT(IDLE) },            EARLY, ENDS },
    [AT(ROLLING_BACK)]    = { [ON(DONE)]    = { act_reload_back,    AT(RELOADING_BACK) },
                              [ON(FAILED)]  = { act_cannot_swap,    AT(BACKING_OFF) },
                              SWITCHES(ROLLING_BACK) },
    [AT(RELOADING_BACK)]  = { [ON(DONE)]    = { act_prove,          AT(PROVING_BACK) },
                              [ON(FAILED)]  = { act_roll_forward,   AT(ROLLING_FORWARD) }, ENDS },
    [AT(PROVING_BACK)]    = { [ON(DONE)]    = { act_verified_back,  AT(IDLE) },
                              [ON(FAILED)]  = { act_roll_forward,   AT(ROLLING_FORWARD) }, ENDS },
    [AT(ROLLING_FORWARD)] = { [ON(DONE)]    = { act_retry_forward,  AT(BACKING_OFF) },
                              [ON(FAILED)]  = { act_cannot_swap,    AT(BACKING_OFF) },
                              SWITCHES(ROLLING_FORWARD) },
};
/* clang-format on */

static void take(struct deployment *deployment, enum deployment_event event, const struct err *err)
{
    const struct cell *cell = &table[deployment->state][event];

    if (cell->act == NULL) {
        cert_log_bug(deployment->work, "deployment", (int)deployment->state, (int)event);
        return;
    }
    deployment->taking++;
    deployment->state = cell->next;
    deployment->err = err;
    cell->act(deployment);
    if (--deployment->taking == 0)
        deployment->listener->stepped(deployment->work);
}

/* An unexpected result is a bug; it must not leave the machine without a timer. */
static void end_stage(struct deployment *deployment, enum deployment_event event,
                      const struct err *err)
{
    struct err bug;

    if (table[deployment->state][event].act == NULL && !deployment_rests(deployment)) {
        cert_log_bug(deployment->work, "deployment", (int)deployment->state, (int)event);
        err_set(&bug, ERR_LOCAL, "leafd reached an unexpected state; please report this");
        deployment->wait_ms = cert_work_note_refusal(deployment->work, &bug);
        err = &bug;
        event = DEPLOYMENT_ON_FAILED;
    }
    take(deployment, event, err);
}

static void on_stage_end(struct deployment *deployment, const struct err *err)
{
    CLEANUP(free_memory) struct evidence *evidence = TAKE(deployment->evidence);

    deployment->work->evidence = evidence;
    end_stage(deployment, judge(deployment, err), err);
    deployment->work->evidence = NULL;
}

static void on_ring(void *arg, bool reached)
{
    struct deployment *deployment = arg;
    const struct cert_work *work = deployment->work;

    (void)reached;
    if (deployment->generation[0] == '\0')
        deployment_take_found(deployment, false);
    else if (deployment->state == DEPLOYMENT_BACKING_OFF && cert_work_begins_later(work))
        take(deployment, DEPLOYMENT_ON_EARLY, NULL);
    else
        take(deployment, cert_work_lasts(work) ? DEPLOYMENT_ON_RETRY : DEPLOYMENT_ON_EXPIRED, NULL);
}

/* -- the interface --------------------------------------------------------------------------------
 */

void deployment_take_new(struct deployment *deployment)
{
    keep(deployment->generation, deployment->work->published.generation);
    take(deployment, DEPLOYMENT_ON_PUBLISHED, NULL);
}

static enum deployment_event progress_of(const struct cert_work *work)
{
    const struct consumer_state *consumer = &work->state.consumer;
    const char *generation = work->published.generation;

    if (consumer_is_verified(consumer, work->cert, generation))
        return DEPLOYMENT_ON_VERIFIED;
    if (was_stopped(work) || is_for_a_person(work))
        return DEPLOYMENT_ON_AWAY;
    return consumer_is_notified(consumer, work->cert, generation) ? DEPLOYMENT_ON_NOTIFIED
                                                                  : DEPLOYMENT_ON_PENDING;
}

void deployment_take_found(struct deployment *deployment, bool is_wanted)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;

    /* A successful read of a wanted set ends earlier refusals and failures. */
    if (is_wanted && (consumer->refused[0] != '\0' || consumer->trouble.failures > 0) &&
        progress_of(work) == DEPLOYMENT_ON_VERIFIED) {
        trouble_clear(&consumer->trouble);
        consumer->refusals = 0;
        consumer->refused[0] = '\0';
        cert_work_save(work);
    }
    if (cert_work_begins_later(work) && deployment_rests(deployment)) {
        take(deployment, DEPLOYMENT_ON_EARLY, NULL);
        return;
    }
    if (!cert_work_lasts(work) || strcmp(deployment->generation, work->published.generation) == 0)
        return;
    if (deployment->state != DEPLOYMENT_ROLLING_BACK &&
        deployment->state != DEPLOYMENT_ROLLING_FORWARD)
        keep(deployment->generation, work->published.generation);
    take(deployment, progress_of(work), NULL);
}

void deployment_stop(struct deployment *deployment)
{
    take(deployment, DEPLOYMENT_ON_STOP, NULL);
}

bool deployment_try_within(struct deployment *deployment, uint64_t most_ms)
{
    bool waits = deployment_rests(deployment) && deployment->timer.until_us != 0 &&
                 deployment->work->state.consumer.trouble.failures > 0;

    if (waits)
        wall_timer_hasten(&deployment->timer, random_share(most_ms, random_draw()));
    return waits || !deployment_rests(deployment);
}

void deployment_recompute(struct deployment *deployment, bool sooner)
{
    bool failed = deployment->work->state.consumer.trouble.failures > 0;

    if (deployment_rests(deployment) && deployment->timer.until_us != 0 && failed)
        wall_timer_hasten(&deployment->timer, sooner ? random_share(SOONER_MS, random_draw())
                                                     : cert_work_shorter_wait_ms(deployment->work));
    wall_timer_recompute(&deployment->timer);
}

const struct err *deployment_failure(const struct deployment *deployment)
{
    const struct consumer_state *consumer = &deployment->work->state.consumer;

    return deployment_rests(deployment) && consumer->trouble.failures > 0 &&
                   !consumer_is_awaited(consumer)
               ? trouble_err(&consumer->trouble)
               : NULL;
}

bool deployment_open(struct deployment *deployment, struct cert_work *work,
                     const struct deployment_listener *listener, struct err *err)
{
    *deployment = (struct deployment){.work = work, .listener = listener, .end = on_stage_end};
    return wall_timer_open(&deployment->timer, work->tools->loop, on_ring, deployment, err);
}

void deployment_close(struct deployment *deployment)
{
    deployment_cancel(deployment);
    free(TAKE(deployment->evidence));
    free(TAKE(deployment->nobody));
    wall_timer_close(&deployment->timer);
}
