#include "cert/set_jobs.h"

#include "base/cleanup.h"
#include "install/publish.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct set_job {
    struct set_claim *claim;
    char generation[GENERATION_NAME_BYTES];
    char directory[];
};

struct lane_key set_lane(const struct set_place *place)
{
    return (struct lane_key){place->directory, mounts_disk(place->mounts, place->directory)};
}

struct slot *set_job_start(const struct set_place *place, enum worker_urgency urgency,
                           worker_run *run, struct cert_job *job, slot_done *on_done, void *arg,
                           struct err *err)
{
    struct lane_key lane = set_lane(place);
    char claiming[PATH_MAX];

    /* A job without a claim may wait for another section to give it up, and runs in a lane of its
     * own, so that it does not delay the jobs of that section. */
    if (job->claim == NULL) {
        snprintf(claiming, sizeof claiming, "%s/..lock", place->directory);
        lane.name = claiming;
    }
    return worker_start_in(place->workers, &lane, urgency, run, job, cert_job_free, on_done, arg,
                           err);
}

static void free_job(void *arg)
{
    struct set_job *job = arg;

    set_claim_drop(job->claim);
    free(job);
}

/* On the worker: the last drop of a claim may wait for the disk. */
static bool run_drop(void *arg, struct err *err)
{
    struct set_job *job = arg;

    (void)err;
    job->claim = set_claim_drop(job->claim);
    return true;
}

static bool run_remove(void *arg, struct err *err)
{
    struct set_job *job = arg;
    CLEANUP(close_fd) int set_fd = -1;

    if (set_claim_open(job->claim, job->directory, &set_fd, err) &&
        !publish_may_be(set_fd, job->generation))
        generation_remove(set_fd, job->generation);
    return run_drop(job, err);
}

static bool run_leave_only(void *arg, struct err *err)
{
    struct set_job *job = arg;
    CLEANUP(close_fd) int set_fd = -1;

    if (set_claim_open(job->claim, job->directory, &set_fd, err))
        publish_leave_only(set_fd);
    return run_drop(job, err);
}

/* Takes the claim. */
static void send_job(const struct set_place *place, struct set_claim *claim, worker_run *run,
                     const char *generation)
{
    const struct lane_key lane = set_lane(place);
    size_t bytes = strlen(place->directory) + 1;
    struct set_job *job = calloc(1, sizeof *job + bytes);
    struct err err;

    if (job == NULL) {
        set_claim_drop(claim);
        return;
    }
    memcpy(job->directory, place->directory, bytes);
    snprintf(job->generation, sizeof job->generation, "%s", generation);
    job->claim = claim;
    worker_send(place->workers, &lane, run, job, free_job, &err);
}

void set_remove(const struct set_place *place, struct set_claim *claim, const char *generation)
{
    if (claim != NULL && generation[0] != '\0')
        send_job(place, set_claim_share(claim), run_remove, generation);
}

void set_leave_only(const struct set_place *place, struct set_claim *claim)
{
    if (claim != NULL)
        send_job(place, set_claim_share(claim), run_leave_only, "");
}

struct set_claim *set_give_up(const struct set_place *place, struct set_claim *claim)
{
    if (claim != NULL)
        send_job(place, claim, run_drop, "");
    return NULL;
}

struct unwatch_job {
    int descriptor, watch;
};

static bool run_unwatch(void *arg, struct err *err)
{
    const struct unwatch_job *job = arg;

    (void)err;
    watches_remove(job->descriptor, job->watch);
    return true;
}

void set_unwatch(const struct set_place *place, struct watches *watches, int watch)
{
    const struct lane_key lane = set_lane(place);
    struct unwatch_job *job = watches == NULL || watch == 0 ? NULL : calloc(1, sizeof *job);
    struct err err;

    if (watches != NULL && watch != 0)
        watches_unhear(watches, watch);
    if (job == NULL)
        return;
    *job = (struct unwatch_job){watches_descriptor(watches), watch};
    worker_send(place->workers, &lane, run_unwatch, job, free, &err);
}
