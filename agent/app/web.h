/*
 * web - what the agent shows to whoever reads it by HTTP
 *
 * /metrics, /healthz, /readyz, /status and the page at /, which are views of the document of
 * app/status, also at the control socket. leafd(8) documents them.
 */
#ifndef LEAFD_APP_WEB_H
#define LEAFD_APP_WEB_H

#include "app/metrics.h"
#include "app/serve.h"
#include "config/config.h"

/* What the views are made of; every function is called on the loop. */
struct web_source {
    sd_event *loop;
    struct workers *workers;
    struct metrics *metrics;
    struct config *(*config_of)(void *arg); /* in use; borrowed */
    json_t *(*describe_agent)(void *arg);   /* as the document has it; a new reference */
    bool (*add_memory)(void *arg, json_t *row, bool is_whole); /* what is not on disk */
    void *arg;
};

struct web;

/* web_open - adds its routes to the server; copies the source. Fails with class local */
bool web_open(const struct web_source *source, struct serve *serve, struct web **ret_web,
              struct err *err);

/* web_stop - replies to all that the agent is stopping, now and from now on */
void web_stop(struct web *web);

/* web_close - frees it, before the server is closed; NULL is fine */
void web_close(struct web *web);

#endif
