/*
 * history - what happened to each certificate lately, and between the agent and the CA
 *
 * A listener on the stream of events (base/event). For each certificate it keeps the last
 * generations and the last failed tries, with repeated failures counted as one; memory is
 * allocated with the first event. It is lost when the agent ends: app/status reads what lasts from
 * disk.
 */
#ifndef LEAFD_APP_HISTORY_H
#define LEAFD_APP_HISTORY_H

#include "base/err.h"

#include <jansson.h>

#include <stdbool.h>

struct history;

/* history_open - starts to listen; fails with class local */
bool history_open(struct history **ret_history, struct err *err);

/*
 * history_of - what happened to the certificate of that name, the oldest first
 *
 * An array of objects, which leafd(8) documents; a new reference. NULL if memory ran out.
 */
json_t *history_of(const struct history *history, const char *name);

/*
 * history_add_agent - adds to `agent` what happened between the agent and the CA
 *
 * "login" (null, or how the last one ended), "token_expires_at", "ca_away_class", "ca_away_reason"
 * and "problem_at". False if memory ran out.
 */
bool history_add_agent(const struct history *history, json_t *agent);

/* history_close - stops to listen, and frees it; NULL is fine */
void history_close(struct history *history);

#endif
