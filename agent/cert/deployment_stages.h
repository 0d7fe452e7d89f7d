/*
 * deployment_stages - what deployment does in each of its states: starts it, and tells of its end
 *
 * As in issuance_stages, each starts its stage, which ends once, in a later iteration of the loop,
 * by deployment->end.
 */
#ifndef LEAFD_CERT_DEPLOYMENT_STAGES_H
#define LEAFD_CERT_DEPLOYMENT_STAGES_H

#include "cert/cert_work.h"
#include "cert/wall_timer.h"

enum deployment_state {
    DEPLOYMENT_IDLE, /* until the consumer is to be looked at again */
    DEPLOYMENT_RELOADING,
    DEPLOYMENT_PROVING,
    DEPLOYMENT_LOOKING,  /* who serves what, after a reload that found nobody */
    DEPLOYMENT_CHECKING, /* what a proven consumer serves by now */
    DEPLOYMENT_BACKING_OFF,
    DEPLOYMENT_ROLLING_BACK,
    DEPLOYMENT_RELOADING_BACK,
    DEPLOYMENT_PROVING_BACK,
    DEPLOYMENT_ROLLING_FORWARD, /* the previous generation was refused as well */
    DEPLOYMENT_STATE_COUNT
};

struct deployment;

/* Who hears of deployment. */
struct deployment_listener {
    /* The consumer refused what was published: the generation before is in place and proven. */
    void (*refused)(struct cert_work *work, const struct err *why);
    void (*unsure)(struct cert_work *work);  /* which generation is in place, the disk tells */
    void (*stepped)(struct cert_work *work); /* a transition is complete */
};

struct deployment {
    struct cert_work *work;
    const struct deployment_listener *listener;
    enum deployment_state state;
    unsigned taking;       /* events that are being taken */
    const struct err *err; /* of the event that is being taken */
    struct slot *slot;     /* the stage under way */
    struct cert_job *job;  /* of that stage, if a worker does it; borrowed */
    struct wall_timer timer;
    uint64_t proof_limit_s;                 /* of the proof under way */
    uint64_t wait_ms;                       /* until the next try, after a failure */
    char generation[GENERATION_NAME_BYTES]; /* that it deals with; "" none */
    struct err *nobody; /* why a reload found nobody, while that look goes on; owned */

    /* Where a stage's end goes. */
    void (*end)(struct deployment *deployment, const struct err *err);
};

/* deployment_cancel - ends the stage under way without an event */
void deployment_cancel(struct deployment *deployment);

/* stage_reload - ends well when every reload line went well */
void stage_reload(struct deployment *deployment);

/*
 * stage_prove - ends well when the consumer serves the published leaf, fails at the deadline
 *
 * work->seen tells what was seen last. Ends at once if the section asks for no proof. The deadline
 * is prove_timeout, or a quarter of what is left of the certificate's life if that is less.
 */
void stage_prove(struct deployment *deployment);

/* stage_check - the same, but one look only */
void stage_check(struct deployment *deployment);

/* stage_roll_back - ends well when the previous generation is the published one, which is the
 * previous one now; or fails, and nothing has changed */
void stage_roll_back(struct deployment *deployment);

/* deployment_note_served - keeps what the look that has just ended with `err` showed: messages and
 * `status` speak of that leaf */
void deployment_note_served(struct cert_work *work, const struct err *err);

#endif
