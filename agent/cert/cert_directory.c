#include "cert/cert_directory.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"
#include "cert/cert_log.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOK_GAP_US = 1000000,
    LOOK_DOUBLINGS = 8,
    LOOKS_TOLD = 3,
    LOOKS_TOGETHER_US = 250000,
    LOOK_US_PER_CERT =
        10000 /* the mean interval of checks that are requested for all sets at once */
};

static void watch(struct cert_work *work);

/* -- the previous generation ----------------------------------------------------------------------
 */

void cert_directory_remove_previous(struct cert_work *work)
{
    cert_work_remove(work, work->previous);
    work->previous[0] = '\0';
    work->removal = sd_event_source_disable_unref(work->removal);
}

void cert_directory_note_previous(struct cert_work *work, const char *replaced)
{
    const char *accepted = work->state.consumer.accepted;

    if (work->previous[0] != '\0' && strcmp(work->previous, accepted) == 0) {
        cert_work_remove(work, replaced);
        return;
    }
    cert_directory_remove_previous(work);
    snprintf(work->previous, sizeof work->previous, "%s", replaced);
}

static int on_removal_due(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    cert_directory_remove_previous(arg);
    return 0;
}

void cert_directory_plan_removal(struct cert_work *work)
{
    if (work->previous[0] == '\0' || work->removal != NULL)
        return;
    if (sd_event_add_time_relative(work->tools->loop, &work->removal, CLOCK_BOOTTIME,
                                   work->cert->keep_previous_s * 1000000ULL, 0, on_removal_due,
                                   work) >= 0)
        sd_event_source_set_description(work->removal, "previous generation");
}

/* -- checks of the files --------------------------------------------------------------------------
 */

/* Rounds the wait up, so that checks that are due at nearly the same time cause one wake-up. */
static uint64_t together_us(uint64_t wait_us)
{
    uint64_t now_us = clock_boot_us();

    return wait_us + LOOKS_TOGETHER_US - (now_us + wait_us) % LOOKS_TOGETHER_US;
}

/* Between half and one and a half of files_every, so that checks of many agents and sets spread. */
static uint64_t regular_wait_us(const struct cert_work *work)
{
    uint64_t every_us = work->config->agent.files_every_s * 1000000;

    return together_us(every_us / 2 + random_share(every_us, random_draw()));
}

/* The first change is checked at once. The interval doubles while changes continue. */
static uint64_t gap_us(const struct cert_look *look)
{
    return (uint64_t)LOOK_GAP_US << (look->in_a_row < LOOK_DOUBLINGS ? look->in_a_row
                                                                     : LOOK_DOUBLINGS);
}

static void plan_look(struct cert_work *work, uint64_t wait_us)
{
    wall_timer_set(&work->look.timer, 0, wait_us / 1000 + 1);
}

static void plan_regular_look(struct cert_work *work)
{
    work->look.has_cause = false;
    if (work->config->agent.files_every_s > 0)
        plan_look(work, regular_wait_us(work));
}

/* Plans a check because something has changed, or may have. */
static void plan_look_for_cause(struct cert_work *work)
{
    struct cert_look *look = &work->look;
    uint64_t from_us = look->ended_us + gap_us(look), now_us = clock_boot_us();

    if (look->has_cause)
        return;
    look->has_cause = true;
    if (look->slot == NULL)
        plan_look(work, from_us > now_us ? from_us - now_us : 0);
}

/* Stores the result of the check, and plans the next one. */
static void end_look(struct cert_work *work, bool found)
{
    struct cert_look *look = &work->look;

    bool again = found || look->has_cause;

    if (found || (look->had_cause && !look->swapped))
        look->in_a_row++;
    else if (!look->had_cause)
        look->in_a_row = 0;
    look->swapped = false;
    look->ended_us = clock_boot_us();
    look->has_cause = false;
    if (look->watch == 0 && work->tools->watches != NULL)
        watch(work);
    if (again)
        plan_look_for_cause(work);
    else
        plan_regular_look(work);
}

static void on_looked(void *arg, const struct err *err)
{
    struct cert_work *work = arg;
    struct cert_look *look = &work->look;
    enum revocation revocation = REVOCATION_NONE;
    bool found = false, exposed = false;
    char damage[sizeof look->job->damage];

    memcpy(damage, look->job->damage, sizeof damage);
    if (err->kind == ERR_NONE) {
        found = damage[0] != '\0';
        exposed = look->job->is_exposed;
        revocation = look->job->revocation;
        memcpy(look->print, look->job->print, sizeof look->print);
    }
    look->job = NULL;
    look->slot = slot_drop(look->slot);
    end_look(work, found);
    if (found && (look->in_a_row <= LOOKS_TOLD || exposed))
        cert_log_damaged(work, damage);
    if (found) {
        look->told = true;
        cert_work_give_reason(work, damage);
        work->found(work, FOUND_DAMAGED);
    }
    cert_work_tell_mark(work, revocation);
}

void cert_directory_expect_swap(struct cert_work *work)
{
    struct cert_look *look = &work->look;

    look->swapped = true;
    if (look->slot == NULL)
        return;
    look->slot = slot_drop(look->slot);
    look->job = NULL;
    look->has_cause = look->has_cause || look->had_cause;
    plan_look(work, 0);
}

static void on_look_due(void *arg, bool reached)
{
    struct cert_work *work = arg;
    const struct set_place place = cert_work_place(work);
    struct cert_look *look = &work->look;
    struct err err;

    (void)reached;
    if (look->slot != NULL)
        return;
    look->job = NULL;
    if (set_owner_runs_swap(&work->set)) {
        plan_look(work, LOOK_GAP_US);
        return;
    }
    look->had_cause = look->has_cause;
    look->has_cause = false;
    if (work->claim != NULL && work->published.generation[0] != '\0')
        look->job = cert_job_new(work->config, work->cert, work->claim, NULL, &err);
    if (look->job != NULL) {
        memcpy(look->job->published, work->published.generation, sizeof look->job->published);
        memcpy(look->job->print, look->print, sizeof look->job->print);
        look->slot =
            set_job_start(&place, WORK_WHEN_IDLE, job_look, look->job, on_looked, work, &err);
    }
    if (look->slot == NULL) {
        look->job = NULL;
        plan_regular_look(work);
    }
}

void cert_directory_look(struct cert_work *work)
{
    uint64_t within_us = work->config->cert_count * LOOK_US_PER_CERT;
    uint64_t wait_us = random_share(within_us, random_draw());
    struct cert_look *look = &work->look;

    if (within_us > LOOKS_TOGETHER_US)
        wait_us = together_us(wait_us);
    if (look->timer.schedule == NULL)
        return;
    look->slot = slot_drop(look->slot);
    look->job = NULL;
    if (look->timer.until_us == 0 || look->timer.until_us > clock_boot_us() + wait_us)
        plan_look(work, wait_us);
}

/* -- watching the directory -----------------------------------------------------------------------
 */

/* Whether leafd itself often writes an entry with that name. */
static bool is_our_doing(const struct cert_work *work, const char *name)
{
    static const char *const names[] = {"..state", "..state.new", "..data_tmp", "..revoked.new"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return generation_is_name(name) && strcmp(name, work->published.generation) != 0;
}

/* Runs on a worker: watches the directory and reads the mark. */
struct watch_job {
    struct set_claim *claim; /* a share; NULL: none */
    char generation[GENERATION_NAME_BYTES];
    int descriptor, watch; /* of struct watches; -1, 0: none */
    enum revocation revocation;
    char directory[];
};

static void free_job(void *arg)
{
    struct watch_job *job = arg;

    set_claim_drop(job->claim);
    free(job);
}

/* The mark is read after the watch is set, so that no change is missed. */
static bool run_watch(void *arg, struct err *err)
{
    struct watch_job *job = arg;
    CLEANUP(close_fd) int set_fd = -1;

    if (job->descriptor >= 0)
        job->watch = watches_add(job->descriptor, job->directory);
    if (job->claim != NULL && set_claim_open(job->claim, job->directory, &set_fd, err))
        job->revocation = revoked_mark_read(set_fd, job->generation);
    job->claim = set_claim_drop(job->claim);
    return true;
}

/* NULL if memory ran out. */
static struct watch_job *new_job(const struct cert_work *work)
{
    size_t bytes = strlen(work->cert->directory) + 1;
    struct watch_job *job = calloc(1, sizeof *job + bytes);

    if (job == NULL)
        return NULL;
    memcpy(job->directory, work->cert->directory, bytes);
    memcpy(job->generation, work->published.generation, sizeof job->generation);
    job->descriptor = work->tools->watches == NULL ? -1 : watches_descriptor(work->tools->watches);
    return job;
}

static void unwatch(struct cert_work *work)
{
    const struct set_place place = cert_work_place(work);

    set_unwatch(&place, work->tools->watches, work->look.watch);
    work->look.watch = 0;
}

static void on_directory_changed(void *arg, const char *name)
{
    struct cert_work *work = arg;

    if (strcmp(name, revoked_mark_name) == 0) {
        watch(work);
        return;
    }
    if (is_our_doing(work, name))
        return;
    /* Stops watching until the check: an endless series of changes must not wake the process. */
    if (work->look.in_a_row >= LOOKS_TOLD)
        unwatch(work);
    plan_look_for_cause(work);
}

/* If the directory was replaced, the watch has another number. */
static void take_watch(struct cert_work *work, int number)
{
    struct cert_look *look = &work->look;

    if (look->watch != number)
        unwatch(work);
    look->watch = number;
    if (number != 0 && work->tools->watches != NULL &&
        watches_hear(work->tools->watches, number, on_directory_changed, work))
        plan_look_for_cause(work);
}

static void on_watched(void *arg, const struct err *err)
{
    struct cert_work *work = arg;
    struct cert_look *look = &work->look;
    const struct watch_job *job = look->watch_job;
    enum revocation revocation = job->revocation;
    bool again = look->watch_again || strcmp(job->generation, work->published.generation) != 0;

    (void)err;
    take_watch(work, job->watch);
    look->watch_job = NULL;
    look->watching = slot_drop(look->watching);
    if (again)
        watch(work);
    else
        cert_work_tell_mark(work, revocation);
}

/* Starts a job that watches the directory, if it is not watched, and reads the mark. */
static void watch(struct cert_work *work)
{
    const struct set_place place = cert_work_place(work);
    const struct lane_key lane = set_lane(&place);
    struct cert_look *look = &work->look;
    struct watch_job *job;
    struct err err;

    look->watch_again = look->watching != NULL;
    if (look->watch_again)
        return;
    job = new_job(work);
    if (job == NULL)
        return;
    job->claim = set_claim_share(work->claim);
    look->watch_job = job;
    look->watching = worker_start_in(work->tools->workers, &lane, WORK_NEXT, run_watch, job,
                                     free_job, on_watched, work, &err);
    if (look->watching == NULL)
        look->watch_job = NULL;
}

void cert_directory_watch(struct cert_work *work)
{
    struct err err;

    if (!work->tools->stays)
        return;
    watch(work);
    if (work->look.timer.schedule != NULL)
        return;
    if (wall_timer_open(&work->look.timer, work->tools->loop, on_look_due, work, &err))
        plan_regular_look(work);
}
