#include "app/engine.h"

#include "base/clock.h"
#include "base/event.h"
#include "cert/outage.h"
#include "cert/stage.h"
#include "pki/chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WORKER_THREADS_LEAST = 8,
    WORKER_THREADS_MOST = 16,
    LOOKUP_THREADS = 2,
    DISK_PATIENCE_S = 5, /* at exit, for writes that have not ended */
    CA_CONNECTIONS_MOST = 4,
    CONSUMER_CALLS_MOST = 64,
    EARLY_FROM_S = 60, /* the smallest step of the clock after which failures are retried */
    HASTEN_MS = 1000
};

/* Whether a token is replaced, or was, for a certificate that was logged as denied before. */
static bool is_no_news(struct engine *engine, enum ca_session_change change, const struct err *err)
{
    bool was_untold = engine->replaces_untold;

    engine->replaces_untold = change == CA_SESSION_REFUSED && err->told;
    return engine->replaces_untold || (was_untold && change == CA_SESSION_OPEN);
}

/* A session that fails to open or to renew is logged once for each reason; 0 is the event's own
 * level. */
static enum log_level session_level(struct engine *engine, enum ca_session_change change,
                                    const struct err *err)
{
    struct told_failure *told = change == CA_SESSION_NOT_OPEN      ? &engine->told_login
                                : change == CA_SESSION_NOT_RENEWED ? &engine->told_renewal
                                                                   : NULL;
    /* Each certificate logs its own urgency. */
    const struct failure_look look = {.class = err->kind,
                                      .reason = urgency_reason(err->text),
                                      .now_s = clock_now_s(),
                                      .left_s = 1,
                                      .life_s = 1};
    enum log_level level;

    if (is_no_news(engine, change, err))
        return LOG_LEVEL_DEBUG;
    if (change == CA_SESSION_OPEN)
        engine->told_login = (struct told_failure){0};
    if (change == CA_SESSION_OPEN || change == CA_SESSION_RENEWED)
        engine->told_renewal = (struct told_failure){0};
    if (told == NULL || urgency_note_failure(&look, told, &level))
        return 0;
    return LOG_LEVEL_DEBUG;
}

static void on_session(void *arg, enum ca_session_change change, uint64_t lease_s,
                       const struct err *err)
{
    static const enum event_kind kinds[] = {
        [CA_SESSION_OPEN] = EVENT_LOGGED_IN,        [CA_SESSION_NOT_OPEN] = EVENT_LOGIN_FAILED,
        [CA_SESSION_RENEWED] = EVENT_TOKEN_RENEWED, [CA_SESSION_NOT_RENEWED] = EVENT_TOKEN_LOST,
        [CA_SESSION_REFUSED] = EVENT_TOKEN_LOST,
    };
    struct engine *engine = arg;
    const char *method = auth_method_words[engine->config->auth.method];
    struct event event = {.kind = kinds[change],
                          .level = session_level(engine, change, err),
                          .method = method,
                          .reason = err->kind == ERR_NONE ? NULL : err->text,
                          .failure = err->kind};
    char lease[DURATION_TEXT_BYTES];

    if (change == CA_SESSION_OPEN || change == CA_SESSION_RENEWED)
        event.lease_s = EVENT_NUMBER(lease_s);

    duration_text(lease_s, lease);
    switch (change) {
    case CA_SESSION_OPEN:
        if (engine->config->auth.method == AUTH_TOKEN)
            event_emit(&event, "uses the token that it was given");
        else
            event_emit(&event, "logged in by %s; the token lives for %s", method,
                       lease_s == 0 ? "ever" : lease);
        break;
    case CA_SESSION_NOT_OPEN:
        event_emit(&event, "%s", err->text);
        break;
    case CA_SESSION_RENEWED:
        event_emit(&event, "the token was renewed for %s", lease);
        break;
    case CA_SESSION_NOT_RENEWED:
        event_emit(&event, "the token could not be renewed: %s", err->text);
        break;
    case CA_SESSION_REFUSED:
        event_emit(&event, "the token must be replaced: %s", err->text);
        break;
    }
}

/* Logged once for each change: every request to the same standby is redirected in the same way. */
static void on_redirect(void *arg, const struct http_redirect *redirect)
{
    struct engine *engine = arg;
    bool follows = redirect->why_not == NULL;
    const struct event event = {.kind = EVENT_REDIRECTED,
                                .level = follows ? LOG_LEVEL_NOTICE : 0,
                                .from = redirect->from,
                                .to = redirect->to,
                                .followed = follows ? "yes" : "no"};
    char now[sizeof engine->redirect_told];

    snprintf(now, sizeof now, "%s %s %d", redirect->from, redirect->to, follows);
    if (strcmp(now, engine->redirect_told) == 0)
        return;
    memcpy(engine->redirect_told, now, sizeof now);
    if (follows)
        event_emit(&event, "the CA at %s redirects to %s; requests with the token now go there",
                   redirect->from, redirect->to);
    else
        event_emit(&event, "the CA at %s redirects to %s: %s", redirect->from, redirect->to,
                   redirect->why_not);
}

static void on_disk_stuck(void *arg, const char *directory, bool is_stuck)
{
    const struct event event = {
        .kind = is_stuck ? EVENT_DISK_STUCK : EVENT_DISK_BACK,
        .directory = directory,
    };

    (void)arg;
    if (is_stuck)
        event_emit(&event,
                   "the disk of %s has not answered for %ds; sets on it wait, all others go on; "
                   "check whether the file system is frozen or its server is down",
                   directory, WORKER_TELL_AFTER_MS / 1000);
    else
        event_emit(&event, "the disk of %s answers again", directory);
}

/* Jobs wait for the disk as well as compute, so more threads than cores pay off. */
static unsigned thread_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (cores * 2 < WORKER_THREADS_LEAST)
        return WORKER_THREADS_LEAST;
    return cores * 2 > WORKER_THREADS_MOST ? WORKER_THREADS_MOST : (unsigned)cores * 2;
}

/* The CA may accept now what it refused or denied before. */
static bool on_credentials(void *arg, bool changed)
{
    struct engine *engine = arg;
    bool failing = false;

    if (changed)
        engine->told_login = (struct told_failure){0};
    for (size_t i = 0; i < engine->count; i++) {
        if (cert_issuance_state(engine->certs[i]) != ISSUANCE_BACKING_OFF)
            continue;
        failing = true;
        if (changed)
            cert_try_within(engine->certs[i], HASTEN_MS);
    }
    return failing;
}

static void set_limits(struct engine *engine)
{
    http_loop_limit(engine->http, engine->config->agent.max_in_flight);
}

static void on_away(void *arg, const struct err *why)
{
    struct engine *engine = arg;

    outage_begin(&engine->tools, why);
}

static void on_back(void *arg, uint64_t after_s)
{
    struct engine *engine = arg;

    outage_end(&engine->tools, after_s);
    for (size_t i = 0; i < engine->count; i++)
        cert_ca_is_back(engine->certs[i]);
}

static bool is_awaited(void *arg)
{
    const struct engine *engine = arg;
    size_t i = 0;

    while (i < engine->count && !cert_awaits_ca(engine->certs[i]))
        i++;
    return i < engine->count;
}

static bool open_ca(struct engine *engine, struct config *config, struct err *err)
{
    const struct ca_listener listener = {.on_session = on_session,
                                         .on_away = on_away,
                                         .on_back = on_back,
                                         .is_awaited = is_awaited,
                                         .on_credentials = on_credentials,
                                         .certs = cert_news,
                                         .arg = engine};

    if (!ca_open(engine->http, engine->tools.workers, config, engine->tools.stays, &listener,
                 &engine->tools.ca, err))
        return false;
    return true;
}

bool engine_open(struct engine *engine, struct config *config, bool stays, cert_observer *observer,
                 void *arg, struct err *err)
{
    int r;

    *engine = (struct engine){.config = config_ref(config), .observer = observer, .arg = arg};
    engine->early_paid_us = INT64_MIN;
    engine->asked_paid_us[ENGINE_ASKED_RENEW] = engine->asked_paid_us[ENGINE_ASKED_RETRY] =
        INT64_MIN;
    engine->tools.stays = stays;
    r = sd_event_new(&engine->tools.loop);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot make an event loop");
    engine->tools.cache = ca_cache_new();
    if (!stage_reserve(&engine->tools, err))
        return false;
    if (stays && !watches_open(engine->tools.loop, &engine->tools.watches, err))
        log_detail(NULL, "%s; the directories of the sets are only polled", err->text);
    if (!reaper_open(engine->tools.loop, &engine->reaper, err) ||
        !workers_open(engine->tools.loop, thread_count(), &engine->tools.workers, err) ||
        !workers_open(engine->tools.loop, LOOKUP_THREADS, &engine->tools.lookups, err) ||
        !http_loop_open(engine->tools.loop, engine->tools.workers, config->agent.max_in_flight,
                        CA_CONNECTIONS_MOST, &engine->http, err) ||
        !http_loop_open(engine->tools.loop, engine->tools.workers, CONSUMER_CALLS_MOST, 0,
                        &engine->tools.http, err) ||
        !open_ca(engine, config, err))
        return false;
    workers_watch(engine->tools.workers, on_disk_stuck, NULL);
    set_limits(engine);
    clock_skew_watch(&engine->skew, engine->http);
    http_loop_watch_redirects(engine->http, on_redirect, engine);
    return true;
}

bool engine_audit(struct engine *engine, struct err *err)
{
    return audit_open(engine->tools.loop, engine->tools.workers, engine->config, &engine->audit,
                      err);
}

bool engine_tell(struct engine *engine, struct err *err)
{
    return engine_audit(engine, err) && hooks_open(engine->tools.loop, engine->tools.workers,
                                                   engine->config, &engine->hooks, err);
}

/* -- the certificates -----------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    return strcmp(cert_name(*(struct cert *const *)a), cert_name(*(struct cert *const *)b));
}

static int compare_name(const void *name, const void *cert)
{
    return strcmp(name, cert_name(*(struct cert *const *)cert));
}

static struct cert **find(const struct engine *engine, const char *name)
{
    return engine->count == 0
               ? NULL
               : bsearch(name, engine->certs, engine->count, sizeof(struct cert *), compare_name);
}

size_t engine_index_of(const struct engine *engine, const struct cert *cert)
{
    struct cert **found = find(engine, cert_name(cert));

    assert(found != NULL);
    return (size_t)(found - engine->certs);
}

struct cert *engine_find(const struct engine *engine, const char *name)
{
    struct cert **found = find(engine, name);

    return found == NULL ? NULL : *found;
}

bool engine_is_ready(const struct engine *engine)
{
    bool all = engine->config->agent.ready_when == READY_ALL;

    for (size_t i = 0; i < engine->count; i++) {
        const struct cert *cert = engine->certs[i];

        if (!cert_published(cert).usable && (all || !cert_tried(cert)))
            return false;
    }
    return true;
}

/* Call it when all have been added: `find` searches by name. */
static void sort(struct engine *engine)
{
    if (engine->count > 1)
        qsort(engine->certs, engine->count, sizeof(struct cert *), by_name);
}

static bool add(struct engine *engine, const struct cert_config *section, struct err *err)
{
    struct cert *cert =
        cert_new(&engine->tools, engine->config, section, engine->observer, engine->arg, err);

    if (cert == NULL)
        return err_wrap(err, "certificate %s", section->name);
    engine->certs[engine->count++] = cert;
    return true;
}

/* Those that were added last. */
static void begin_from(struct engine *engine, size_t first)
{
    for (size_t i = first; i < engine->count; i++)
        cert_begin(engine->certs[i]);
}

static bool make_room(struct engine *engine, size_t most, struct err *err)
{
    struct cert **certs = realloc(engine->certs, (most + 1) * sizeof(struct cert *));

    if (certs == NULL)
        return err_memory(err);
    engine->certs = certs;
    return true;
}

bool engine_start(struct engine *engine, const char *const *names, size_t count, struct err *err)
{
    const struct config *config = engine->config;

    engine->tools.by_name = count > 0;
    if (!make_room(engine, config->cert_count, err))
        return false;
    for (size_t i = 0; i < config->cert_count; i++) {
        bool wanted = count == 0;

        for (size_t j = 0; j < count; j++)
            wanted |= strcmp(names[j], config->certs[i].name) == 0;
        if (wanted && !add(engine, &config->certs[i], err))
            return false;
    }
    begin_from(engine, 0);
    sort(engine);
    return true;
}

/* Sections and certificates are both in the order of their names, and walked through side by side.
 */
static void forget_removed(struct engine *engine)
{
    const struct config *config = engine->config;
    size_t kept = 0, section = 0;

    for (size_t i = 0; i < engine->count; i++) {
        struct cert *cert = engine->certs[i];
        int order = -1;

        while (section < config->cert_count && order < 0) {
            order = strcmp(config->by_name[section]->name, cert_name(cert));
            section += order < 0;
        }
        if (section < config->cert_count && order == 0) {
            engine->certs[kept++] = cert;
            continue;
        }
        event_emit(&(struct event){.kind = EVENT_FORGOTTEN, .cert = cert_name(cert)},
                   "no longer in the configuration; its published files stay in place");
        cert_abandon(cert, engine->config);
        cert_free(cert);
    }
    engine->count = kept;
}

/* Existing certificates adopt their new sections; the others are started. */
static bool take_sections(struct engine *engine, struct err *err)
{
    const size_t sorted = engine->count;
    bool taken = true;
    size_t next = 0;

    for (size_t i = 0; i < engine->config->cert_count; i++) {
        const struct cert_config *section = engine->config->by_name[i];

        if (next < sorted && strcmp(cert_name(engine->certs[next]), section->name) == 0)
            cert_adopt(engine->certs[next++], engine->config, section);
        else
            taken = add(engine, section, err) && taken;
    }
    begin_from(engine, sorted);
    if (engine->count > sorted)
        sort(engine);
    return taken;
}

bool engine_apply(struct engine *engine, struct config *config, struct err *err)
{
    bool told;

    if (!make_room(engine, engine->count + config->cert_count, err))
        return false;
    config_ref(config);
    config_unref(engine->config);
    engine->config = config;
    set_limits(engine);
    ca_use(engine->tools.ca, config);
    ca_end_pause(engine->tools.ca); /* the sender of SIGHUP wants a try now */
    engine->told_login = (struct told_failure){0};
    forget_removed(engine);
    audit_use(engine->audit, config);
    told = hooks_use(engine->hooks, config, err);
    return take_sections(engine, err) && told;
}

struct allowance {
    int in_a_row;
    int64_t every_s; /* after that */
};

/* *ret_wait_s is the time until the next try. */
static bool may_try(const struct allowance *allowance, int64_t *paid_us, uint64_t *ret_wait_s)
{
    int64_t now_us = (int64_t)clock_boot_us(), every_us = allowance->every_s * 1000000;
    int64_t oldest_us = now_us - (allowance->in_a_row - 1) * every_us;

    if (*paid_us < oldest_us)
        *paid_us = oldest_us;
    *ret_wait_s = *paid_us > now_us ? (uint64_t)(*paid_us - now_us) / 1000000 + 1 : 0;
    if (*ret_wait_s > 0)
        return false;
    *paid_us += every_us;
    return true;
}

/* A wrong clock is often corrected soon. */
static bool may_try_early(struct engine *engine)
{
    static const struct allowance allowance = {.in_a_row = 3, .every_s = 60};
    uint64_t wait_s;

    return may_try(&allowance, &engine->early_paid_us, &wait_s);
}

bool engine_end_pause(struct engine *engine, enum engine_asked why, uint64_t *ret_wait_s)
{
    static const struct allowance allowance = {.in_a_row = 5, .every_s = 10};
    bool may = may_try(&allowance, &engine->asked_paid_us[why], ret_wait_s);

    if (may)
        ca_end_pause(engine->tools.ca);
    return may;
}

void engine_recompute(struct engine *engine, int64_t by_s)
{
    bool early = llabs(by_s) >= EARLY_FROM_S && may_try_early(engine);

    if (early)
        ca_end_pause(engine->tools.ca);
    for (size_t i = 0; i < engine->count; i++)
        cert_recompute(engine->certs[i], early);
}

void engine_drop_certs(struct engine *engine)
{
    watches_close(engine->tools.watches);
    engine->tools.watches = NULL;
    for (size_t i = 0; i < engine->count; i++)
        cert_note_end(engine->certs[i]);
    for (size_t i = 0; i < engine->count; i++)
        cert_free(engine->certs[i]);
    free(engine->certs);
    engine->certs = NULL;
    engine->count = 0;
}

/* -- the end --------------------------------------------------------------------------------------
 */

struct ending {
    struct slot slot;
    struct slot *revocation, *hooks; /* NULL: has ended */
};

static void destroy_ending(struct slot *slot)
{
    struct ending *ending = (struct ending *)slot;

    slot_drop(ending->revocation);
    slot_drop(ending->hooks);
    slot_free(slot);
}

static void finish_if_ended(struct ending *ending)
{
    if (ending->revocation == NULL && ending->hooks == NULL)
        slot_finish(&ending->slot, NULL);
}

static void on_token_revoked(void *arg, const struct err *err)
{
    struct ending *ending = arg;

    if (err->kind != ERR_NONE)
        event_emit(&(struct event){.kind = EVENT_TOKEN_LOST}, "the token could not be revoked: %s",
                   err->text);
    ending->revocation = slot_drop(ending->revocation);
    finish_if_ended(ending);
}

static void on_hooks_ended(void *arg, const struct err *err)
{
    struct ending *ending = arg;

    (void)err;
    ending->hooks = slot_drop(ending->hooks);
    finish_if_ended(ending);
}

static struct slot *revoke_token(struct engine *engine, slot_done *on_done, void *arg)
{
    struct err err = {0};

    if (!engine->config->auth.revoke_on_exit)
        return NULL;
    if (ca_has_leases(engine->tools.ca))
        event_emit(&(struct event){.kind = EVENT_ADVICE},
                   "the token is not revoked, because the CA would revoke the certificates that "
                   "were leased with it (generate_lease); they end when the token's lease ends");
    return ca_log_out_start(engine->tools.ca, on_done, arg, &err);
}

struct slot *engine_end_start(struct engine *engine, slot_done *on_done, void *arg)
{
    struct err err;
    struct ending *ending =
        slot_new(sizeof *ending, engine->tools.loop, destroy_ending, on_done, arg, &err);

    if (ending == NULL)
        return NULL;
    ending->revocation = revoke_token(engine, on_token_revoked, ending);
    ending->hooks = hooks_end_start(engine->hooks, on_hooks_ended, ending);
    if (ending->revocation != NULL || ending->hooks != NULL)
        return &ending->slot;
    destroy_ending(&ending->slot);
    return NULL;
}

bool engine_close(struct engine *engine)
{
    bool ended;

    engine_drop_certs(engine);
    hooks_close(engine->hooks);
    audit_end(engine->audit);
    ca_close(engine->tools.ca);
    http_loop_close(engine->http);
    http_loop_close(engine->tools.http);
    ended = workers_close(engine->tools.workers, DISK_PATIENCE_S);
    if (!ended)
        event_emit(&(struct event){.kind = EVENT_DISK_STUCK},
                   "a disk did not answer within %ds; exiting without the pending writes to it",
                   DISK_PATIENCE_S);
    audit_close(engine->audit);
    /* A look-up may take long to time out: do not wait for it. */
    ended &= workers_close(engine->tools.lookups, 0);
    mounts_close(&engine->tools.mounts);
    stage_release(&engine->tools);
    reaper_close(engine->reaper);
    if (ended)
        ca_cache_free(engine->tools.cache);
    sd_event_unref(engine->tools.loop);
    config_unref(engine->config);
    *engine = (struct engine){0};
    return ended;
}
