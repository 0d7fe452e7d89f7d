/*
 * verbs - what commands ask of the running agent over its control socket: renew, retry, revoke,
 * and the events
 *
 * A request that begins something is answered at once with the number of its errand (app/errands).
 * Outcomes and events are collected with requests that wait, for a bounded time, until there is
 * something to tell. The number of requests that wait is limited; more are answered at once.
 */
#ifndef LEAFD_APP_VERBS_H
#define LEAFD_APP_VERBS_H

#include "app/engine.h"
#include "app/serve.h"

struct verbs;

/* verbs_open - listens to the events from now on; fails with class local */
bool verbs_open(struct verbs **ret_verbs, struct err *err);

/* verbs_start - adds its routes, those of app/control.h, to the server; borrows `engine`, and is
 * borrowed by `serve`; fails with class local */
bool verbs_start(struct verbs *verbs, struct engine *engine, struct serve *serve, struct err *err);

/* verbs_note - something about the certificate may have changed */
void verbs_note(struct verbs *verbs, const struct cert *cert);

/* verbs_stop - answers the requests that wait, and takes no others; before the certificates are
 * freed. NULL is fine */
void verbs_stop(struct verbs *verbs);

/* verbs_close - frees; verbs_stop was called, and the server is closed. NULL is fine */
void verbs_close(struct verbs *verbs);

#endif
