/*
 * consumer_stages - the stages that deal with the consumer: validate, reload, prove, roll back
 *
 * As in cert_stages, each starts its stage and delivers one event, in a later turn of the loop.
 */
#ifndef LEAFD_CERT_CONSUMER_STAGES_H
#define LEAFD_CERT_CONSUMER_STAGES_H

#include "cert/cert_work.h"

/* stage_validate - DONE if the operator's command is content, or FAILED */
void stage_validate(struct cert_work *work);

/* stage_reload - DONE when every reload line went well, or FAILED */
void stage_reload(struct cert_work *work);

/*
 * stage_prove - DONE when the consumer serves the published leaf, FAILED at the deadline
 *
 * work->finding tells what was seen last. DONE at once if the section asks for no proof. The
 * deadline is prove_timeout, but not behind the moment from which the certificate is due; when that
 * has passed, not behind a quarter of what is left of its life.
 */
void stage_prove(struct cert_work *work);

/* stage_prove_back - the same after a rollback: the moment from which it is due is nothing to heed
 */
void stage_prove_back(struct cert_work *work);

/* stage_check - the same, but one look only */
void stage_check(struct cert_work *work);

/* stage_roll_back - DONE when the previous generation is the published one, which is the previous
 * one now; or FAILED, and nothing has changed */
void stage_roll_back(struct cert_work *work);

#endif
