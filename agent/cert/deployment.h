/*
 * deployment - makes the consumer take what is in place: the second machine of a certificate
 *
 * The table in deployment.c reads from top to bottom as the way of a generation: the consumer is
 * notified, seen to serve it, looked at from time to time; or the generation is taken back. How far
 * it has come is kept on disk: pending, then reloaded, then proven, or failed. It knows nothing of
 * CAs.
 */
#ifndef LEAFD_CERT_DEPLOYMENT_H
#define LEAFD_CERT_DEPLOYMENT_H

#include "cert/deployment_stages.h"

/* deployment_open - makes it ready, with nothing in place; borrows `work` and `listener`; fails
 * with class local */
bool deployment_open(struct deployment *deployment, struct cert_work *work,
                     const struct deployment_listener *listener, struct err *err);

/* deployment_close - ends what is under way */
void deployment_close(struct deployment *deployment);

/* deployment_take_new - the work's published generation was published a moment ago */
void deployment_take_new(struct deployment *deployment);

/* deployment_take_found - it was found in place; nothing if it is being dealt with already. If it
 * `is_wanted`, no other one is, and one that was refused is forgotten */
void deployment_take_found(struct deployment *deployment, bool is_wanted);

/* deployment_stop - nothing is to be done until it is told what is in place: the section is another
 * one, or the certificate is withdrawn; not while names are being switched */
void deployment_stop(struct deployment *deployment);

/* deployment_rests - whether it waits: for a look, or for another try */
bool deployment_rests(const struct deployment *deployment);

/* deployment_try_within - ends a wait after a failure within `most_ms`, jittered; whether a try
 * follows, or is under way */
bool deployment_try_within(struct deployment *deployment, uint64_t most_ms);

/* deployment_recompute - the clock was set; what failed is tried again within seconds if it is
 * `sooner` */
void deployment_recompute(struct deployment *deployment, bool sooner);

/* deployment_failure - why the consumer has not taken what is in place; NULL if it has, or was not
 * there yet */
const struct err *deployment_failure(const struct deployment *deployment);

#endif
