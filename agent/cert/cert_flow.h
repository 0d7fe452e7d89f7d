/*
 * cert_flow - the life of one certificate, as a table of states and events
 *
 * The table in cert_flow.c reads from top to bottom as the way of a certificate: found on disk or
 * wanted, queued, logged in, key made, signed, vetted, staged, validated, published, reloaded,
 * proven, waiting until it is due. Every transition stands there and nowhere else.
 */
#ifndef LEAFD_CERT_CERT_FLOW_H
#define LEAFD_CERT_CERT_FLOW_H

#include "cert/cert_work.h"
#include "cert/flow_state.h"

struct cert_flow;

/* Told when a set is published, and when a certificate comes to rest: waiting, holding, backing
 * off.
 */
typedef void flow_observer(void *arg, struct cert_flow *flow);

/*
 * cert_flow_new - a certificate's flow, reading what is on disk from the next turn on
 *
 * Takes a reference of `config`; borrows `tools`, which outlive it. NULL with *err filled, class
 * local.
 */
struct cert_flow *cert_flow_new(struct cert_tools *tools, struct config *config,
                                const struct cert_config *cert, flow_observer *observer, void *arg,
                                struct err *err);

/* cert_flow_note_end - starts to note on disk that the process ends in order: cert_work_note_end */
void cert_flow_note_end(struct cert_flow *flow);

/* cert_flow_abandon - the flow is about to end for good: cert_work_abandon */
void cert_flow_abandon(struct cert_flow *flow, const struct config *config);

/* cert_flow_free - ends the flow; what is published stays. NULL is fine */
void cert_flow_free(struct cert_flow *flow);

/* cert_flow_adopt - goes on with a new configuration's section, at once or when it comes to rest */
void cert_flow_adopt(struct cert_flow *flow, struct config *config, const struct cert_config *cert);

/*
 * cert_flow_recompute - the clock was set: computes again what is due
 *
 * If it `hurries`, a failure that the clock may be to blame for is tried again within seconds.
 */
void cert_flow_recompute(struct cert_flow *flow, bool hurries);

/*
 * cert_flow_try_within - ends a wait after a failure within `most_ms`, jittered
 *
 * False if no try follows, since it waits for something else than another try.
 */
bool cert_flow_try_within(struct cert_flow *flow, uint64_t most_ms);

/* cert_flow_name - the section's name */
const char *cert_flow_name(const struct cert_flow *flow);

/* cert_flow_state - where it stands */
enum flow_state cert_flow_state(const struct cert_flow *flow);

/* cert_flow_life_s - how long its certificates live, in seconds; 0: not known */
uint64_t cert_flow_life_s(const struct cert_flow *flow);

/* cert_flow_published - what is published, as of now: `usable` is false for one that has ended */
struct cert_published cert_flow_published(const struct cert_flow *flow);

/* cert_flow_rests - whether it waits: for a moment, or for another try */
bool cert_flow_rests(const struct cert_flow *flow);

/*
 * cert_flow_tried - whether its first try has ended
 *
 * It came to rest, or it waits for a CA that has answered nobody a moment ago: one outage counts as
 * the try of all. No reload or proof is waited for: what is published is what counts.
 */
bool cert_flow_tried(const struct cert_flow *flow);

/* cert_flow_try_again_s - the moment of its next try, while cert_flow_failure gives a failure */
uint64_t cert_flow_try_again_s(const struct cert_flow *flow);

/* cert_flow_failure - why it waits for another try, of the CA or of its consumer; NULL if it does
 * not, or only waits for its consumer to be started */
const struct err *cert_flow_failure(const struct cert_flow *flow);

#endif
