#include "cert/deployment.h"

#include "base/clock.h"
#include "base/random.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/consumer.h"

#include <stdlib.h>
#include <string.h>

enum { SOONER_MS = 5000 };

enum deployment_event {
    DEPLOYMENT_ON_DONE,       /* the stage went well */
    DEPLOYMENT_ON_RECOVERED,  /* the same, after failures */
    DEPLOYMENT_ON_FAILED,     /* it did not, and is tried again: err says why */
    DEPLOYMENT_ON_LEFT_ALONE, /* the same, but nothing that a reload would help: looked at later */
    DEPLOYMENT_ON_NOBODY,     /* nobody could be told, and somebody may serve something */
    DEPLOYMENT_ON_LOST,       /* it served the leaf, and serves another one by now */
    DEPLOYMENT_ON_REFUSED,    /* it has refused the generation often enough */
    DEPLOYMENT_ON_PUBLISHED,  /* a generation was published */
    DEPLOYMENT_ON_PENDING,    /* one is in place that the consumer was not told of */
    DEPLOYMENT_ON_NOTIFIED,   /* one that it was told of, and not seen to serve */
    DEPLOYMENT_ON_AWAY,       /* one that it took, and was not there any more: it is not woken */
    DEPLOYMENT_ON_VERIFIED,   /* one that it serves, or none that is of use */
    DEPLOYMENT_ON_STOP,       /* nothing is to be done */
    DEPLOYMENT_ON_RETRY,      /* the wait is over */
    DEPLOYMENT_ON_EXPIRED,    /* the same, and what is in place is of no use any more */
    DEPLOYMENT_ON_EARLY,      /* what is in place has not begun: the clock is wrong */
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

/* -- what the consumer showed ---------------------------------------------------------------------
 */

/* Whether it took this very set, and is not there: it may have been stopped on purpose. */
static bool was_stopped(const struct cert_work *work)
{
    const struct consumer_state *consumer = &work->state.consumer;

    return work->cert->prove.method != PROVE_NONE && consumer->missing &&
           strcmp(consumer->accepted, work->published.generation) == 0;
}

/*
 * Whether it has loaded this very set, and lacks what no reload and no earlier set brings: a server
 * that was given the file with the leaf alone, or that lets anybody in, is repaired in its own
 * configuration. The same holds for one that serves the leaf while the proof failed elsewhere, as
 * mutual TLS that could not be asked for. It is looked at again, with growing pauses, and left in
 * peace.
 */
static bool is_for_a_person(const struct cert_work *work)
{
    return work->seen.finding == PROVE_BAD_CHAIN || work->seen.finding == PROVE_NOT_MUTUAL ||
           work->seen.finding == PROVE_SERVED;
}

/* Whether nobody answers there. That we could not look says nothing about the consumer. */
static bool is_nobody_there(const struct cert_work *work, const struct err *err)
{
    return work->seen.finding == PROVE_UNREACHABLE && err->kind != ERR_LOCAL;
}

static bool has_failed(const struct cert_work *work)
{
    return work->state.consumer.trouble.failures > 0;
}

/* -- which event it is: what a stage's end means --------------------------------------------------
 */

/* Counts the failure; it is tried again, left to a person, or the generation is taken back. */
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
    /* Nobody can be told; that does not mean that nobody serves. */
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
    /* Whoever goes on serving the old leaf has not noticed; that is no refusal. Nor is it when we
     * could not look for want of memory or descriptors. */
    if (work->seen.finding != PROVE_OTHER_LEAF && !is_for_a_person(work) && err->kind != ERR_LOCAL)
        consumer->refusals++;
    consumer->proven[0] = '\0';
    return count_failure(deployment, err);
}

/* After a reload that found nobody. */
static enum deployment_event judge_look(struct deployment *deployment, const struct err *look_err)
{
    struct cert_work *work = deployment->work;
    struct consumer_state *consumer = &work->state.consumer;
    const char *nobody = deployment->nobody == NULL ? "" : deployment->nobody->text;
    struct err err = *look_err;

    deployment_note_served(work, look_err);
    /* A command of the operator's cannot tell a consumer that is away from one that is behind. */
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

/* -- actions: what is done at a transition --------------------------------------------------------
 */

static void act_nothing(struct deployment *deployment)
{
    (void)deployment;
}

/* What was under way is over; the next thing comes after a wait, or 0: with an event. */
static void wait_for(struct deployment *deployment, uint64_t wait_ms)
{
    deployment_cancel(deployment);
    wall_timer_set(&deployment->timer, 0, wait_ms);
}

/* Until the next look: half as long to one and a half times as long as prove_every, so that a
 * fleet's looks do not come together. */
static void act_rest(struct deployment *deployment)
{
    const struct cert_config *cert = deployment->work->cert;
    uint64_t every_ms = cert->prove.method == PROVE_NONE ? 0 : cert->prove_every_s * 1000;

    wait_for(deployment, every_ms / 2 + random_share(every_ms, random_draw()));
}

/* What was seen was seen by a section that may be another one by now. */
static void act_stop(struct deployment *deployment)
{
    deployment->generation[0] = '\0';
    deployment->work->seen = (struct prove_seen){.finding = PROVE_NOT_LOOKED};
    wait_for(deployment, 0);
}

/* Until it has begun by the clock, which may be set right before: on_ring looks anew. */
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

/* It took the set: that is kept, the failures are forgotten. */
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
    work->seen.finding = PROVE_NOT_LOOKED; /* what comes next is looked at anew */
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
 * The other set is no better, so it is not the set's fault. What we lack, or nobody to ask, says
 * nothing of either set: one refusal more, and it is gone back again.
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

/* The rename may have happened although it failed: the disk is asked, not the memory. */
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
    action *act; /* NULL: the event has no meaning in that state */
    enum deployment_state next;
};

/* clang-format off */
#define AT(state)  DEPLOYMENT_##state
#define ON(event)  DEPLOYMENT_ON_##event
#define STAY(at) { act_nothing, AT(at) }

/* Another generation ends whatever was done about the one before it; so does a stop. */
#define NEWER    [ON(PUBLISHED)] = { act_reload_new, AT(RELOADING) }
#define FOUND    [ON(PENDING)] = { act_reload, AT(RELOADING) }, [ON(NOTIFIED)] = { act_prove, AT(PROVING) }, \
                 [ON(AWAY)] = { act_check, AT(CHECKING) }, [ON(VERIFIED)] = { act_rest, AT(IDLE) }
#define EARLY    [ON(EARLY)] = { act_await_begin, AT(IDLE) }
#define ENDS     NEWER, FOUND, [ON(STOP)] = { act_stop, AT(IDLE) }
/* Which generation is in place is known when the names are switched, which nobody interrupts (cert). */
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

/* An end that nobody expected is a bug, which must not leave the machine without a timer. */
static void end_stage(struct deployment *deployment, enum deployment_event event,
                      const struct err *err)
{
    struct err bug;

    if (table[deployment->state][event].act == NULL && !deployment_rests(deployment)) {
        cert_log_bug(deployment->work, "deployment", (int)deployment->state, (int)event);
        err_set(&bug, ERR_LOCAL, "leafd met a state that it does not know; please report this");
        deployment->wait_ms = cert_work_note_refusal(deployment->work, &bug);
        err = &bug;
        event = DEPLOYMENT_ON_FAILED;
    }
    take(deployment, event, err);
}

static void on_stage_end(struct deployment *deployment, const struct err *err)
{
    end_stage(deployment, judge(deployment, err), err);
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

/* -- what it is told ------------------------------------------------------------------------------
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

    /* What was refused, or failed, is not wanted any more. */
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
    free(deployment->nobody);
    deployment->nobody = NULL;
    wall_timer_close(&deployment->timer);
}
