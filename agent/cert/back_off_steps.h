/*
 * back_off_steps - what is done when a stage on the way to a new certificate has failed
 *
 * The CA is left alone for a while. A consumer that has not taken what is published is told of it
 * meanwhile.
 */
#ifndef LEAFD_CERT_BACK_OFF_STEPS_H
#define LEAFD_CERT_BACK_OFF_STEPS_H

#include "cert/consumer_steps.h"

/* step_log_in_again - gets another token after a 403, once */
step step_log_in_again;

/* step_back_off - waits after a failure to issue */
step step_back_off;

/* step_back_off_again - waits on, after a restart */
step step_back_off_again;

/* step_repair - writes damaged files anew while the CA is waited for, which does not end the wait
 */
step step_repair;

#endif
