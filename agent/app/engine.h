/*
 * engine - what `run` and `once` share: the loop, the session, and the certificates
 */
#ifndef LEAFD_APP_ENGINE_H
#define LEAFD_APP_ENGINE_H

#include "app/clock_watch.h"
#include "base/reaper.h"
#include "cert/cert.h"
#include "http/http_origin.h"
#include "plan/urgency.h"

enum { ENGINE_REDIRECT_BYTES = 2 * HTTP_ORIGIN_BYTES + 8 };

struct engine {
    struct reaper *reaper; /* NULL: orphans do not fall to this process */
    struct cert_tools tools;
    struct http_loop *http;
    struct clock_skew skew;
    struct told_failure told_login, told_renewal; /* of the session */
    char redirect_told[ENGINE_REDIRECT_BYTES];    /* the last that the log was told; "": none */
    int64_t
        early_paid_us; /* on the boot clock: what setting the clock has cost, see may_try_early */
    struct config *config;
    struct cert **certs; /* sorted by name */
    size_t count;
    cert_observer *observer;
    void *arg;
};

/*
 * engine_open - sets everything up but the certificates
 *
 * Takes a reference of `config`. `stays` is true for a daemon. `observer` hears of every
 * certificate that is published or comes to rest. SIGCHLD must be blocked. Fails with class local;
 * engine_close is due in any case.
 */
bool engine_open(struct engine *engine, struct config *config, bool stays, cert_observer *observer,
                 void *arg, struct err *err);

/*
 * engine_start - starts all certificates, or those in `names`
 *
 * `count` 0 means all. Every name must be one of the configuration's. Fails with class local.
 */
bool engine_start(struct engine *engine, const char *const *names, size_t count, struct err *err);

/* engine_index_of - which of the engine's certificates it is; it must be one of them */
size_t engine_index_of(const struct engine *engine, const struct cert *cert);

/*
 * engine_apply - goes on with a changed configuration
 *
 * Certificates that are new are started, those that are gone are forgotten and their files left,
 * changed ones are looked at again. Fails with class local, and goes on with what could be started.
 */
bool engine_apply(struct engine *engine, struct config *config, struct err *err);

/*
 * engine_recompute - the clock was set forward by so much, or back if it is negative
 *
 * What is due is computed again. What failed, and may have failed for the clock, is tried again
 * within seconds, though once a minute in the long run, however often somebody sets the clock.
 */
void engine_recompute(struct engine *engine, int64_t by_s);

/* engine_drop_certs - ends all; what is published stays */
void engine_drop_certs(struct engine *engine);

/*
 * engine_revoke_token - revokes the token where [auth] revoke_on_exit says so
 *
 * NULL if it does not, or there is none, or certificates were leased with it, which would be
 * revoked with it; that is told.
 */
struct slot *engine_revoke_token(struct engine *engine, slot_done *on_done, void *arg);

/*
 * engine_close - ends everything; the loop's last reference is the caller's
 *
 * False if a disk or a name server still holds a thread: then the process is to end by _exit(2).
 */
bool engine_close(struct engine *engine);

#endif
