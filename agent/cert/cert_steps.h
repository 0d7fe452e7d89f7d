/*
 * cert_steps - what is done at a transition: one function for each entry of the table in cert_flow
 *
 * A step notes what the event told, enters the next state and starts its stage. This file's are the
 * way from wanted to published; consumer_steps has what comes behind it.
 */
#ifndef LEAFD_CERT_CERT_STEPS_H
#define LEAFD_CERT_CERT_STEPS_H

#include "cert/cert_work.h"
#include "cert/flow_state.h"
#include "cert/wall_timer.h"

struct cert_flow {
    struct cert_work work; /* first: what a stage delivers to is the flow */
    enum flow_state state;
    const struct err *err; /* of the event that is being taken */
    struct wall_timer timer;
    struct config *next_config; /* adopted when the flow comes to rest; NULL: none */
    const struct cert_config *next_cert;
    bool tried;
    void (*observer)(void *arg, struct cert_flow *flow); /* of cert_flow_new */
    void *arg;
};

typedef void step(struct cert_flow *flow);

/* flow_enter - enters a state that lasts until its stage delivers, or until the timer rings */
void flow_enter(struct cert_flow *flow, enum flow_state state);

/* flow_rest - comes to rest: nothing is under way until a moment, or the end of a wait; 0 for
 * neither leaves that one out */
void flow_rest(struct cert_flow *flow, enum flow_state state, uint64_t moment_s, uint64_t wait_ms);

/* flow_adopt_next - goes on with the configuration that waits to be adopted */
void flow_adopt_next(struct cert_flow *flow);

/* step_read_disk - looks at what is on disk, to decide anew */
step step_read_disk;

/* step_queue - waits for a permit to ask the CA */
step step_queue;

/* step_queue_due - the same, since the certificate is due */
step step_queue_due;

/* step_queue_revoked - the same, since it was revoked; what is under way for it is dropped */
step step_queue_revoked;

/* step_withdraw - rests until somebody asks for another certificate; what is under way is dropped
 */
step step_withdraw;

/* step_queue_to_restage - waits for a permit to write the published set anew */
step step_queue_to_restage;

/* step_log_in - gets a token */
step step_log_in;

/* step_make_key - makes key and CSR */
step step_make_key;

/* step_sign - sends the CSR */
step step_sign;

/* step_vet_reply - holds the reply against the request */
step step_vet_reply;

/* step_hold - waits for a notBefore in the future, beside what is staged and noted for a restart */
step step_hold;

/* step_take_up_held - goes on waiting after a restart, or with what was waited for */
step step_take_up_held;

/* step_end_hold - goes on with what was held, unless it came to its end meanwhile */
step step_end_hold;

/* step_reconsider_held - looks at the disk again, what is held included */
step step_reconsider_held;

/* step_recover - reads the published set back */
step step_recover;

/* step_stage - writes the generation */
step step_stage;

/* step_validate - asks the operator's command */
step step_validate;

/* step_put_in_place - publishes */
step step_put_in_place;

/* step_ignore - nothing: the event means nothing here */
step step_ignore;

#endif
