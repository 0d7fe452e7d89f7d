/*
 * deployment - makes the consumer load the published generation: the second machine of a
 * certificate
 *
 * The table in deployment.c is the whole machine, in the order of a normal deployment: the consumer
 * is reloaded, proven to serve the leaf, and checked from time to time; or the generation is rolled
 * back. The progress is saved on disk. This machine knows nothing of CAs.
 */
#ifndef LEAFD_CERT_DEPLOYMENT_H
#define LEAFD_CERT_DEPLOYMENT_H

#include "cert/deployment_stages.h"

/* deployment_open - initialises it, without a generation; borrows `work` and `listener`; fails with
 * class local */
bool deployment_open(struct deployment *deployment, struct cert_work *work,
                     const struct deployment_listener *listener, struct err *err);

/* deployment_close - ends the stage under way */
void deployment_close(struct deployment *deployment);

/* deployment_take_new - starts with the generation that was just published */
void deployment_take_new(struct deployment *deployment);

/*
 * deployment_take_found - continues with the generation that was found published; nothing if it is
 * the current one
 *
 * `is_wanted`: it is as the section asks, so an earlier refusal is forgotten.
 */
void deployment_take_found(struct deployment *deployment, bool is_wanted);

/* deployment_stop - stops until the next deployment_take_*: the section has changed, or the
 * certificate was withdrawn. Not during a switch of names. */
void deployment_stop(struct deployment *deployment);

/* deployment_rests - whether it waits, for a check or a retry */
bool deployment_rests(const struct deployment *deployment);

/* deployment_try_within - shortens the wait after a failure to a random part of `most_ms`; returns
 * whether a retry follows or runs */
bool deployment_try_within(struct deployment *deployment, uint64_t most_ms);

/* deployment_recompute - adapts waits after the clock was set; `sooner`: retry failures within
 * seconds */
void deployment_recompute(struct deployment *deployment, bool sooner);

/* deployment_failure - why the consumer has not accepted the generation; NULL if it has, or was
 * never there */
const struct err *deployment_failure(const struct deployment *deployment);

#endif
