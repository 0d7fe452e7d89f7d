/*
 * cert_stages - one function per state: starts what happens in it
 *
 * Each starts its stage and returns; the stage delivers one event, in a later turn of the loop.
 * None of them decides what comes next.
 */
#ifndef LEAFD_CERT_CERT_STAGES_H
#define LEAFD_CERT_CERT_STAGES_H

#include "cert/cert_work.h"

/* stage_read - FRESH, WANTED, LATER, HELD with the held set in the draft, WITHDRAWN, RESTAGE,
 * RELOAD or FAILED
 */
void stage_read(struct cert_work *work);

/* stage_queue - DONE when there is a permit, with an empty draft */
void stage_queue(struct cert_work *work);

/* stage_log_in - DONE when there is a token, or FAILED */
void stage_log_in(struct cert_work *work);

/* stage_make_key - DONE with key and CSR in the draft, or FAILED */
void stage_make_key(struct cert_work *work);

/* stage_sign - DONE with the CA's reply in the draft, DENIED or FAILED */
void stage_sign(struct cert_work *work);

/* stage_vet - DONE with an issued set in the draft, or FAILED */
void stage_vet(struct cert_work *work);

/* stage_recover - DONE with the published set in the draft, or FAILED */
void stage_recover(struct cert_work *work);

/* stage_stage - DONE with a generation on disk, EARLY if its time has not come, STRANGER if others
 * are to trust its CA first, or FAILED */
void stage_stage(struct cert_work *work);

/* stage_publish - DONE when the set is visible and durable, or FAILED */
void stage_publish(struct cert_work *work);

#endif
