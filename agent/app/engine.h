/*
 * engine - the part that `run` and `once` share: the loop, the session, and the certificates
 */
#ifndef LEAFD_APP_ENGINE_H
#define LEAFD_APP_ENGINE_H

#include "app/audit.h"
#include "app/clock_watch.h"
#include "app/hooks.h"
#include "base/reaper.h"
#include "cert/cert.h"
#include "http/http_origin.h"
#include "plan/urgency.h"

enum { ENGINE_REDIRECT_BYTES = 2 * HTTP_ORIGIN_BYTES + 8 };

struct engine {
    struct reaper *reaper; /* NULL: the kernel does not reparent orphans to this process */
    struct cert_tools tools;
    struct http_loop *http;
    struct clock_skew skew;
    struct told_failure told_login, told_renewal; /* of the session */
    bool replaces_untold;                         /* a token, for what was logged as denied */
    char redirect_told[ENGINE_REDIRECT_BYTES];    /* the last redirect that was logged; "": none */
    int64_t early_paid_us;    /* on the boot clock: the budget of early tries after clock steps, see
                                 may_try_early */
    int64_t asked_paid_us[2]; /* likewise, of tries that operators ask for: by enum engine_asked */
    struct hooks *hooks;      /* NULL: not for this command */
    struct audit *audit;      /* likewise */
    struct config *config;
    struct cert **certs; /* sorted by name */
    size_t count;
    cert_observer *observer;
    void *arg;
};

/*
 * engine_open - sets up everything except the certificates
 *
 * Takes a reference of `config`. `stays` is true for a daemon. `observer` is called for every
 * certificate that is published or comes to rest. SIGCHLD must be blocked. Fails with class local;
 * call engine_close in any case.
 */
bool engine_open(struct engine *engine, struct config *config, bool stays, cert_observer *observer,
                 void *arg, struct err *err);

/* engine_audit - writes the audit file of the configuration from now on; fails with class local */
bool engine_audit(struct engine *engine, struct err *err);

/* engine_tell - the same, and gives events to the configuration's hooks */
bool engine_tell(struct engine *engine, struct err *err);

/*
 * engine_start - starts all certificates, or those in `names`
 *
 * `count` 0 means all. Every name must be one of the configuration's. Fails with class local.
 */
bool engine_start(struct engine *engine, const char *const *names, size_t count, struct err *err);

/* engine_index_of - which of the engine's certificates it is; it must be one of them */
size_t engine_index_of(const struct engine *engine, const struct cert *cert);

/* engine_find - the certificate of that name, or NULL */
struct cert *engine_find(const struct engine *engine, const char *name);

/* engine_is_ready - whether the start is complete, as [agent] ready_when defines it */
bool engine_is_ready(const struct engine *engine);

/*
 * engine_apply - goes on with a changed configuration
 *
 * New certificates are started, removed ones are forgotten and their files stay, changed ones are
 * read again. Fails with class local if a certificate could not be started; the others go on.
 */
bool engine_apply(struct engine *engine, struct config *config, struct err *err);

/* Why an operator wants tries now. */
enum engine_asked { ENGINE_ASKED_RENEW, ENGINE_ASKED_RETRY, ENGINE_ASKED_COUNT };

/*
 * engine_end_pause - no login is delayed by one that failed before: an operator asks for tries now
 *
 * A few in a row, then one every ten seconds, so that a loop of commands does not hammer the CA.
 * False if it is too early, and *ret_wait_s says for how long.
 */
bool engine_end_pause(struct engine *engine, enum engine_asked why, uint64_t *ret_wait_s);

/*
 * engine_recompute - handles a step of the clock by `by_s` seconds, back if it is negative
 *
 * Computes all due times again. Failures that the wrong clock may have caused are retried within
 * seconds, but in the long run at most once a minute, however often the clock is set.
 */
void engine_recompute(struct engine *engine, int64_t by_s);

/* engine_drop_certs - frees all certificates; published files stay */
void engine_drop_certs(struct engine *engine);

/*
 * engine_end_start - does what is left to do when all certificates are dropped
 *
 * Gives waiting events to their hooks, and revokes the token where [auth] revoke_on_exit says so. A
 * token with which certificates were leased is kept, since the CA would revoke them with it; that
 * is logged. Ends well, in limited time. NULL if there is nothing to do.
 */
struct slot *engine_end_start(struct engine *engine, slot_done *on_done, void *arg);

/*
 * engine_close - ends everything; the caller holds the loop's last reference
 *
 * False if a disk or a name server still blocks a thread: then the process must end by _exit(2).
 */
bool engine_close(struct engine *engine);

#endif
