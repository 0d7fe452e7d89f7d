/*
 * metrics - what is counted while the agent runs
 *
 * A listener on the stream of events counts them, in total and for each certificate, and a watcher
 * of the requests to the CA counts how long they took. No label is unbounded: certificates are
 * those of the configuration, and those that it no longer has are forgotten. app/metrics_text shows
 * the counts.
 */
#ifndef LEAFD_APP_METRICS_H
#define LEAFD_APP_METRICS_H

#include "base/event.h"
#include "config/config.h"
#include "http/http_loop.h"

enum {
    METRICS_BOUNDS = 12, /* of the histogram, without +Inf */
    METRICS_CODE_BYTES = 16,
    METRICS_CALLS_MOST = 64 /* combinations of operation and code */
};

extern const double metrics_bounds[METRICS_BOUNDS];

/* The counts of one certificate. */
struct metrics_cert {
    char *name;
    uint32_t issuances, rollbacks;
    uint32_t failures[ERR_KIND_COUNT];
    uint32_t reloads_ok, reloads_failed;
    uint32_t proofs_proven, proofs_failed, proofs_lost;
};

/* The requests to the CA for one operation that ended in the same way. */
struct metrics_calls {
    const char *operation;
    char code[METRICS_CODE_BYTES]; /* of HTTP, or a word for what failed below it */
    uint64_t buckets[METRICS_BOUNDS + 1], sum_us;
};

struct metrics {
    struct event_listener listener;
    void *certs; /* a tree of struct metrics_cert by name, tsearch(3) */
    uint64_t events[EVENT_KIND_COUNT];
    uint64_t logins_ok[AUTH_METHOD_COUNT], logins_failed[AUTH_METHOD_COUNT];
    struct metrics_calls calls[METRICS_CALLS_MOST];
    size_t call_count;
};

/* metrics_open - counts from now on; fails with class local */
bool metrics_open(struct metrics **ret_metrics, struct err *err);

/* metrics_watch - counts the requests of that loop as well, which must end before metrics_close */
void metrics_watch(struct metrics *metrics, struct http_loop *http);

/* metrics_cert_of - the counts of the certificate of that name, borrowed until the next event;
 * zeros if nothing was counted */
const struct metrics_cert *metrics_cert_of(const struct metrics *metrics, const char *name);

/* metrics_code - how a request ended: its HTTP status, or a word */
void metrics_code(const struct http_spent *spent, char to[static METRICS_CODE_BYTES]);

/* metrics_close - stops and frees; NULL is fine */
void metrics_close(struct metrics *metrics);

#endif
