/*
 * issuance_stages - the stages of issuance: what runs in each state
 *
 * Each function starts a stage. The stage ends once, in a later iteration of the loop, by a call of
 * issuance->end with the event. No stage decides what comes next.
 */
#ifndef LEAFD_CERT_ISSUANCE_STAGES_H
#define LEAFD_CERT_ISSUANCE_STAGES_H

#include "cert/issuance_states.h"

/* issuance_rests - whether it waits, for a time or for a retry */
bool issuance_rests(const struct issuance *issuance);

/* issuance_is_held - whether a new generation is held, for its notBefore or until peers trust its
 * CA */
bool issuance_is_held(const struct issuance *issuance);

/* issuance_cancel - drops the stage under way, without an event */
void issuance_cancel(struct issuance *issuance);

/* issuance_release - gives up the turn, and frees the draft with its staged generation */
void issuance_release(struct issuance *issuance);

/* stage_read - reads the set: FRESH, WANTED, LATER, HELD (the generation is in the draft),
 * WITHDRAW, RESTAGE or FAILED */
void stage_read(struct issuance *issuance);

/* stage_queue - waits for a turn, without a session for [trust]: DONE with an empty draft, or
 * FAILED */
void stage_queue(struct issuance *issuance);

/* stage_queue_to_restage - the same without a session, for work without the CA */
void stage_queue_to_restage(struct issuance *issuance);

/* stage_make_key - DONE with key and CSR in the draft, or FAILED; nothing is made for [trust] */
void stage_make_key(struct issuance *issuance);

/* stage_sign - DONE with the CA's reply in the draft, for [trust] with its issuers; or FAILED */
void stage_sign(struct issuance *issuance);

/* stage_vet - DONE with the issued set in the draft, UNCHANGED or FAILED */
void stage_vet(struct issuance *issuance);

/* stage_recover - DONE with the published set in the draft, or FAILED */
void stage_recover(struct issuance *issuance);

/* stage_stage - writes the generation: DONE, EARLY, UNKNOWN_ISSUER or FAILED */
void stage_stage(struct issuance *issuance);

/* stage_validate - DONE if the validate command accepts it or there is none, or FAILED */
void stage_validate(struct issuance *issuance);

/* stage_publish - DONE when the generation is published and synced, or FAILED */
void stage_publish(struct issuance *issuance);

#endif
