/*
 * consumer_steps - what is done at the transitions behind publish: reload, prove, roll back
 *
 * Whether the consumer has taken a generation is a state of its own, kept on disk: pending, then
 * reloaded, then proven, or failed. None of these steps asks the CA for anything.
 */
#ifndef LEAFD_CERT_CONSUMER_STEPS_H
#define LEAFD_CERT_CONSUMER_STEPS_H

#include "cert/cert_steps.h"

/* step_rest_fresh - the set on disk is as it should be, and so is its consumer */
step step_rest_fresh;

/* consumer_is_owed - whether what is published is good and the consumer has not taken it */
bool consumer_is_owed(const struct cert_work *work);

/* step_catch_up - tells the consumer what it is owed; one that was stopped is only looked at */
step step_catch_up;

/* step_rest_until_due - all is done that is to be done now; waits for the CA, if that was
 * interrupted to tell the consumer */
step step_rest_until_due;

/* step_reload_published - tells the consumer of a set that was published a moment ago */
step step_reload_published;

/* step_reload_again - tells it of the published set once more */
step step_reload_again;

/* step_reload_failed - waits for another try, or rolls back; if the reload found nobody, looks
 * first whether somebody serves another leaf */
step step_reload_failed;

/* step_look_failed - waits for another try: nobody is there, or somebody who serves another leaf */
step step_look_failed;

/* step_prove - the consumer was told: sees whether it serves the new leaf */
step step_prove;

/* step_prove_again - it had been told before a restart: sees whether it serves the leaf */
step step_prove_again;

/* step_proof_failed - it does not serve the leaf: waits for another reload, or rolls back */
step step_proof_failed;

/* step_settle - it took the set: that is kept, the failures are forgotten */
step step_settle;

/* step_check - the slow look at what a consumer serves that had been seen to serve the leaf */
step step_check;

/* step_still_proven - it still does */
step step_still_proven;

/* step_proof_lost - it does not: it is told again, unless it cannot be reached */
step step_proof_lost;

/* step_reload_back - the previous set is in place again: tells the consumer */
step step_reload_back;

/* step_prove_back - sees whether it serves the previous leaf */
step step_prove_back;

/* step_rest_rolled_back - it does: the new set is tried again later, as a new one */
step step_rest_rolled_back;

/* step_cannot_roll_back - the previous set is not there or not good: goes on with the new one */
step step_cannot_roll_back;

/* step_roll_forward - the consumer refused the previous set as well, so it is not the set's fault:
 * the new one is put in place again */
step step_roll_forward;

/* step_go_on_reloading - waits, and tells it of the new set again */
step step_go_on_reloading;

#endif
