/*
 * deployment_stages - the stages of deployment: what runs in each state
 *
 * Each function starts a stage. The stage ends once, in a later iteration of the loop, by a call of
 * deployment->end.
 */
#ifndef LEAFD_CERT_DEPLOYMENT_STAGES_H
#define LEAFD_CERT_DEPLOYMENT_STAGES_H

#include "cert/cert_work.h"
#include "cert/wall_timer.h"

enum deployment_state {
    DEPLOYMENT_IDLE, /* until the next check of the consumer */
    DEPLOYMENT_RELOADING,
    DEPLOYMENT_PROVING,
    DEPLOYMENT_LOOKING,  /* checks what is served, after a reload that found no consumer */
    DEPLOYMENT_CHECKING, /* checks what a proven consumer serves now */
    DEPLOYMENT_BACKING_OFF,
    DEPLOYMENT_ROLLING_BACK,
    DEPLOYMENT_RELOADING_BACK,
    DEPLOYMENT_PROVING_BACK,
    DEPLOYMENT_ROLLING_FORWARD, /* the previous generation was refused as well */
    DEPLOYMENT_STATE_COUNT
};

struct deployment;

/* Callbacks of deployment. */
struct deployment_listener {
    /* The consumer refused a generation, and serves the previous one again. */
    void (*refused)(struct cert_work *work, const struct err *why);
    void (*unsure)(struct cert_work *work);  /* only the disk shows what is published */
    void (*stepped)(struct cert_work *work); /* a transition is complete */
};

struct deployment {
    struct cert_work *work;
    const struct deployment_listener *listener;
    enum deployment_state state;
    unsigned taking;       /* depth of nested transitions */
    const struct err *err; /* of the current event */
    struct slot *slot;     /* the stage under way */
    struct cert_job *job;  /* its job, if it has one; borrowed */
    struct wall_timer timer;
    uint64_t proof_limit_s;                 /* time limit of the proof under way, in seconds */
    uint64_t wait_ms;                       /* after a failure, until the next try */
    char generation[GENERATION_NAME_BYTES]; /* that it works on; "": none */
    struct evidence *evidence; /* of the proof under way; owned; NULL: memory ran out, or none */
    struct err *nobody; /* why the reload found no consumer, until the check has ended; owned */

    /* Called when a stage has ended. */
    void (*end)(struct deployment *deployment, const struct err *err);
};

/* deployment_cancel - drops the stage under way, without an event */
void deployment_cancel(struct deployment *deployment);

/* stage_reload - succeeds when every reload line succeeded */
void stage_reload(struct deployment *deployment);

/*
 * stage_prove - succeeds when the consumer serves the published leaf, fails at the time limit
 *
 * The result is in work->seen. Ends at once if the section has no proof. The time limit is
 * prove_timeout, or a quarter of the certificate's remaining lifetime if that is shorter.
 */
void stage_prove(struct deployment *deployment);

/* stage_check - the same with a single try */
void stage_check(struct deployment *deployment);

/* stage_roll_back - publishes work->previous and exchanges the two; on failure the disk must be
 * read again */
void stage_roll_back(struct deployment *deployment);

/* deployment_note_served - stores what the check that ended with `err` showed, for messages and
 * `leafd status` */
void deployment_note_served(struct cert_work *work, const struct err *err);

#endif
