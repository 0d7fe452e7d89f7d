#include "app/daemon.h"

#include "app/clock_watch.h"
#include "app/config_watch.h"
#include "app/control.h"
#include "app/engine.h"
#include "app/history.h"
#include "app/listen.h"
#include "app/reconfigure.h"
#include "app/service_notify.h"
#include "app/status.h"
#include "app/status_answers.h"
#include "app/verbs.h"
#include "app/web.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"
#include "base/terminal.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* A report reads the state of all certificates; the gap keeps its cost below one percent of the
     * time. */
    REPORT_GAP_US_PER_CERT = 50,
    LOOK_GAP_US = 2000000
};

struct daemon {
    struct engine engine;
    struct clock_watch *clock;
    sd_event_source *report; /* runs when the loop is otherwise idle */
    uint64_t reported_us;    /* on the boot clock */
    struct reconfigure *reconfigure;
    struct config_watch *watch;
    /* Digests of the applied configuration ("" while it is not watched), and of the broken one that
     * was logged. */
    char applied[DIGEST_HEX_BYTES], broken[DIGEST_HEX_BYTES];
    const char *file;   /* of the configuration */
    uint64_t started_s; /* wall clock */
    uint64_t applied_s; /* likewise: the configuration in use */
    unsigned applied_count;
    struct err problem; /* why the one on disk is not in use; class none: it is. Set with
                           EVENT_CONFIG_BROKEN, and cleared with EVENT_CONFIG_GOOD */
    bool refused;       /* `problem` is of one that was refused, not of one applied in part */
    uint64_t looked_us; /* on the boot clock: when a refused one was read again last */
    struct serve *serve;
    struct serve_table table;
    struct status_answers *answers;
    struct history *history;
    struct verbs *verbs;
    struct control *control;
    struct metrics *metrics;
    struct web *web;
    struct listen *listen;
    /* A command that waits for the read of the configuration with this number. */
    struct waiter {
        struct serve_request *request;
        uint64_t number;
    } waiters[SERVE_CONNECTIONS_MOST];
    size_t waiting;
    bool reloading; /* RELOADING=1 was sent, and READY=1 not yet */
    bool ready, stopping;
    bool has_slack;   /* what a start or another configuration needed may have been freed */
    struct slot *end; /* what is left to do before it exits */
};

/* -- what the service manager sees ----------------------------------------------------------------
 */

/* Names the first certificate that fails, and why: `systemctl status` shows it while the boot
 * waits. */
static void tell_status(struct daemon *daemon)
{
    const struct err *problem = &daemon->problem;
    struct service_status status = {.total = daemon->engine.count,
                                    .problem = problem->kind == ERR_NONE ? NULL : problem->text};

    for (size_t i = 0; i < daemon->engine.count; i++) {
        const struct cert *cert = daemon->engine.certs[i];
        const struct cert_published published = cert_published(cert);
        const struct trouble *trouble = cert_trouble(cert);

        status.usable += published.usable;
        if (published.usable && published.due_s - 1 < status.next_due_s - 1) /* 0: none */
            status.next_due_s = published.due_s;
        if (trouble != NULL && status.failing++ == 0) {
            status.cert = cert_name(cert);
            status.reason = trouble_err(trouble)->text;
            status.next_try_s = trouble->try_again_at_s;
        }
    }
    service_notify_status(&status);
}

static bool run_trim(void *job, struct err *err)
{
    (void)job;
    (void)err;
    malloc_trim(0);
    return true;
}

/* What the start, or another configuration, needed and does not need any more goes back to the
 * system: whole pages between what stays. Walking through the heap takes a while. */
static void give_memory_back(struct daemon *daemon)
{
    struct err err;

    daemon->has_slack = false;
    worker_send(daemon->engine.tools.workers, &(struct lane_key){0}, run_trim, NULL, free, &err);
}

static void plan_report(struct daemon *daemon);

static int on_report(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct daemon *daemon = arg;

    (void)source;
    (void)now_us;
    daemon->reported_us = clock_boot_us();
    tell_status(daemon);
    if (daemon->has_slack)
        give_memory_back(daemon);
    if (daemon->ready || daemon->stopping || !engine_is_ready(&daemon->engine))
        return 0;
    daemon->ready = true;
    event_emit(&(struct event){.kind = EVENT_READY}, "ready: %zu certificate%s",
               daemon->engine.count, daemon->engine.count == 1 ? "" : "s");
    service_notify_ready();
    daemon->has_slack = true;
    plan_report(daemon);
    return 0;
}

/* One report for all events that come together: otherwise the start of a thousand certificates
 * would read a million states. */
static void plan_report(struct daemon *daemon)
{
    uint64_t gap_us = daemon->engine.count * REPORT_GAP_US_PER_CERT;

    sd_event_source_set_time(daemon->report, daemon->reported_us + gap_us);
    sd_event_source_set_enabled(daemon->report, SD_EVENT_ONESHOT);
}

static void on_rest(void *arg, struct cert *cert)
{
    struct daemon *daemon = arg;

    verbs_note(daemon->verbs, cert);
    plan_report(daemon);
}

/* -- signals --------------------------------------------------------------------------------------
 */

static void add_problem(void *list, const char *text)
{
    json_array_append_new(list, json_string(text));
}

/* `told`: the problems were logged when the change of the file was noticed. */
static enum control_status refuse(struct daemon *daemon, const struct config_problems *problems,
                                  bool told, json_t **ret_body)
{
    json_t *list = json_array();

    err_set(&daemon->problem, ERR_CONFIG, "%s", config_problems_first(problems));
    daemon->refused = true;
    if (!told)
        event_emit(
            &(struct event){.kind = EVENT_CONFIG_BROKEN},
            "the configuration has %zu problem%s and is not applied, the old one stays; `leafd "
            "check` shows them all; the first: %s",
            problems->count, problems->count == 1 ? "" : "s", config_problems_first(problems));
    config_problems_each(problems, add_problem, list);
    *ret_body = json_pack("{s:o}", "problems", list);
    return CONTROL_REFUSED;
}

static void tell_good(struct daemon *daemon, const char *how)
{
    if (daemon->problem.kind != ERR_NONE)
        event_emit(&(struct event){.kind = EVENT_CONFIG_GOOD},
                   "the configuration has no problems any more: %s", how);
    daemon->problem = (struct err){0};
    daemon->refused = false;
}

static enum control_status apply(struct daemon *daemon, struct config *config, json_t **ret_body)
{
    struct err err = {0};
    bool whole;

    log_setup(config->agent.log_format, config->agent.log_level);
    whole = engine_apply(&daemon->engine, config, &err) &&
            listen_use(daemon->listen, &config->agent.listen, &err);
    daemon->applied_s = clock_now_s();
    daemon->applied_count++;
    daemon->refused = false;
    if (!whole)
        daemon->problem = err;
    if (!whole)
        event_emit(&(struct event){.kind = EVENT_CONFIG_BROKEN},
                   "the configuration could not be applied completely: %s", err.text);
    event_emit(&(struct event){.kind = EVENT_CONFIG_APPLIED},
               "applied the configuration: %zu certificate%s", daemon->engine.count,
               daemon->engine.count == 1 ? "" : "s");
    if (whole)
        tell_good(daemon, "it is applied");
    *ret_body = whole ? json_pack("{s:I}", "certificates", (json_int_t)daemon->engine.count)
                      : json_pack("{s:s}", "error", err.text);
    return whole ? CONTROL_APPLIED : CONTROL_FAILED;
}

/* Answers the commands that wait for this read or an earlier one. */
static void answer(struct daemon *daemon, uint64_t number, enum control_status status, json_t *body)
{
    size_t kept = 0;

    for (size_t i = 0; i < daemon->waiting; i++) {
        struct waiter *waiter = &daemon->waiters[i];

        if (waiter->number > number)
            daemon->waiters[kept++] = *waiter;
        else
            serve_answer(waiter->request, status, json_incref(body));
    }
    daemon->waiting = kept;
    json_decref(body);
}

static void digest_problem(void *digest, const char *text)
{
    digest_add(digest, text, strlen(text) + 1);
}

/*
 * Whether the result is known already. A changed file may have the same content as before, and
 * errors are logged once, however often the file is written.
 */
static bool is_known(struct daemon *daemon, const struct reconfigure_result *result)
{
    char *known = result->config == NULL ? daemon->broken : daemon->applied;
    CLEANUP(digest_drop) struct digest digest = {0};
    char now[DIGEST_HEX_BYTES] = "";
    struct err err;
    bool same;

    if (result->config != NULL && result->sources != NULL) {
        memcpy(now, result->sources->digest, sizeof now);
    } else if (result->config == NULL) {
        config_problems_each(result->problems, digest_problem, &digest);
        if (!digest_hex(&digest, now, &err))
            now[0] = '\0';
    }
    same = now[0] != '\0' && strcmp(now, known) == 0;
    memcpy(known, now, sizeof now);
    if (result->config != NULL)
        daemon->broken[0] = '\0';
    return same;
}

/* Where files are not watched, only this finds out that a wrong edit was undone. */
static void take_look(struct daemon *daemon, const struct config *config)
{
    const char *used = daemon->engine.config->source_digest;

    if (!daemon->refused || config == NULL || used[0] == '\0' ||
        strcmp(config->source_digest, used) != 0)
        return;
    daemon->broken[0] = '\0';
    tell_good(daemon, "it is the one that is in use");
    plan_report(daemon);
}

/* Whoever asks how the agent is gets the answer of the look at the next time. */
static void look_again(struct daemon *daemon)
{
    uint64_t now_us = clock_boot_us();

    if (!daemon->refused || now_us < daemon->looked_us + LOOK_GAP_US)
        return;
    daemon->looked_us = now_us;
    reconfigure_look(daemon->reconfigure);
}

static void on_configuration(void *arg, struct reconfigure_result *result)
{
    struct daemon *daemon = arg;
    enum control_status status;
    json_t *body;
    bool is_watched = daemon->applied[0] != '\0', known;

    if (!daemon->stopping && result->is_look)
        take_look(daemon, result->config);
    if (daemon->stopping || result->is_look)
        return;
    known = is_known(daemon, result);
    if (result->config != NULL)
        config_watch_use(daemon->watch, TAKE(result->sources));
    if (known && !result->asked) {
        if (result->config != NULL)
            tell_good(daemon, "it is the one that is in use");
        plan_report(daemon);
        return;
    }
    status = result->config == NULL ? refuse(daemon, result->problems, known && is_watched, &body)
                                    : apply(daemon, result->config, &body);
    plan_report(daemon);
    if (daemon->reloading && !reconfigure_is_pending(daemon->reconfigure)) {
        daemon->reloading = false;
        service_notify_ready();
    }
    answer(daemon, result->number, status, body);
    control_renew(daemon->control);
    daemon->has_slack = true;
}

/*
 * Before the start is complete, the manager would take the READY=1 of a reload for that of the
 * start, so no reload is reported. Later each one is reported, since a second request waits for a
 * RELOADING=1 that is newer than its signal (Type=notify-reload).
 */
static uint64_t reload(struct daemon *daemon)
{
    if (daemon->ready) {
        daemon->reloading = true;
        service_notify_reloading();
    }
    return reconfigure_ask(daemon->reconfigure);
}

static void on_file_changed(void *arg)
{
    struct daemon *daemon = arg;

    if (daemon->stopping)
        return;
    log_detail(NULL, "files of the configuration have changed; reading them");
    reconfigure_notice(daemon->reconfigure);
}

static void on_reload(void *arg, struct serve_request *request)
{
    struct daemon *daemon = arg;

    if (daemon->stopping || daemon->waiting == SERVE_CONNECTIONS_MOST)
        serve_answer(request, CONTROL_BUSY,
                     json_pack("{s:s}", "error", "the agent is stopping, or busy"));
    else
        daemon->waiters[daemon->waiting++] = (struct waiter){request, reload(daemon)};
}

/* -- what commands see ----------------------------------------------------------------------------
 */

static json_t *describe_agent(const struct daemon *daemon)
{
    const struct engine *engine = &daemon->engine;
    const struct ca *ca = engine->tools.ca;
    json_t *agent = json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:i, s:s, s:o, s:b, s:b, s:I, s:o, s:o, s:o, s:o, s:I}", "pid",
        (int)getpid(), "version", LEAFD_VERSION, "started_at", status_moment(daemon->started_s),
        "configuration", terminal_text(daemon->file), "applied_at",
        status_moment(daemon->applied_s), "configuration_number", (int)daemon->applied_count,
        "configuration_digest", engine->config->source_digest, "problem",
        daemon->problem.kind == ERR_NONE ? json_null() : terminal_text(daemon->problem.text),
        "refused", daemon->refused, "ready", daemon->ready, "certificates",
        (json_int_t)engine->count, "ca_address", terminal_text(engine->config->vault.address),
        "ca_contact_at", status_moment(http_loop_replied_s(engine->http)), "ca_away_since",
        status_moment(ca_away_since_s(ca)), "ca_unreachable_since",
        status_moment(ca_unreachable_since_s(ca)), "clock_skew_s",
        (json_int_t)(engine->skew.known_ms / 1000));

    if (agent != NULL && history_add_agent(daemon->history, agent))
        return agent;
    json_decref(agent);
    return NULL;
}

static json_t *agent_of(void *arg)
{
    look_again(arg);
    return describe_agent(arg);
}

/* Adds to a row of the status what is not on disk. */
static bool add_memory(void *arg, json_t *row, bool is_whole)
{
    const struct daemon *daemon = arg;
    const char *name = json_string_value(json_object_get(row, "cert"));
    const struct cert *cert = engine_find(&daemon->engine, name);

    return (cert == NULL || status_remember(row, cert)) &&
           (!is_whole ||
            json_object_set_new(row, "history", history_of(daemon->history, name)) == 0);
}

static void on_status(void *arg, struct serve_request *request)
{
    struct daemon *daemon = arg;

    if (daemon->stopping)
        serve_answer(request, CONTROL_BUSY, json_pack("{s:s}", "error", "the agent is stopping"));
    else
        status_answers_add(daemon->answers, daemon->engine.config, agent_of(daemon), request);
}

static const struct serve_route routes[] = {{"GET", CONTROL_STATUS, true, false, on_status},
                                            {"POST", CONTROL_RELOAD, true, false, on_reload},
                                            {0}};

static struct config *config_of(void *arg)
{
    return ((struct daemon *)arg)->engine.config;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct daemon *daemon = arg;

    (void)source;
    (void)info;
    if (!daemon->stopping)
        reload(daemon);
    return 0;
}

static void on_all_done(void *arg, const struct err *err)
{
    struct daemon *daemon = arg;

    (void)err;
    daemon->end = slot_drop(daemon->end);
    sd_event_exit(daemon->engine.tools.loop, 0);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct daemon *daemon = arg;

    (void)source;
    (void)info;
    /* A second signal: the sender does not want to wait for the CA and for hooks. */
    if (daemon->stopping)
        return sd_event_exit(daemon->engine.tools.loop, 0);
    daemon->stopping = true;
    event_emit(&(struct event){.kind = EVENT_STOPPING}, "stopping; the published files stay");
    service_notify_stopping();
    answer(daemon, UINT64_MAX, CONTROL_BUSY, json_pack("{s:s}", "error", "the agent is stopping"));
    status_answers_close(TAKE(daemon->answers));
    web_stop(daemon->web);
    verbs_stop(daemon->verbs);
    engine_drop_certs(&daemon->engine);
    daemon->end = engine_end_start(&daemon->engine, on_all_done, daemon);
    if (daemon->end == NULL)
        sd_event_exit(daemon->engine.tools.loop, 0);
    return 0;
}

static void on_clock_set(void *arg, int64_t by_s)
{
    struct daemon *daemon = arg;

    clock_tell_step(by_s);
    clock_skew_step(&daemon->engine.skew, by_s);
    engine_recompute(&daemon->engine, by_s);
    plan_report(daemon);
}

/* -- setting up -----------------------------------------------------------------------------------
 */

/* What is read by HTTP; the sockets come last. */
static bool open_web(struct daemon *daemon, const char *file, struct err *err)
{
    const struct cert_tools *tools = &daemon->engine.tools;
    const struct web_source source = {.loop = tools->loop,
                                      .workers = tools->lookups,
                                      .metrics = daemon->metrics,
                                      .config_of = config_of,
                                      .describe_agent = agent_of,
                                      .add_memory = add_memory,
                                      .arg = daemon};

    metrics_watch(daemon->metrics, daemon->engine.http);
    if (!serve_open(tools->loop, tools->workers, &daemon->serve, err))
        return false;
    daemon->table = (struct serve_table){.routes = routes, .arg = daemon};
    serve_add(daemon->serve, &daemon->table);
    return verbs_start(daemon->verbs, &daemon->engine, daemon->serve, err) &&
           web_open(&source, daemon->serve, &daemon->web, err) &&
           control_open(tools->loop, tools->workers, daemon->serve, file, &daemon->control, err) &&
           listen_open(tools->loop, daemon->serve, &daemon->listen, err) &&
           listen_use(daemon->listen, &daemon->engine.config->agent.listen, err);
}

static bool open_sources(struct daemon *daemon, const char *file, struct err *err)
{
    sd_event *loop = daemon->engine.tools.loop;
    int r = sd_event_add_signal(loop, NULL, SIGHUP, on_hangup, daemon);

    if (r >= 0)
        r = sd_event_add_signal(loop, NULL, SIGTERM, on_terminate, daemon);
    if (r >= 0)
        r = sd_event_add_signal(loop, NULL, SIGINT, on_terminate, daemon);
    if (r >= 0)
        r = sd_event_add_time(loop, &daemon->report, CLOCK_BOOTTIME, 0, 1, on_report, daemon);
    if (r >= 0)
        r = sd_event_source_set_priority(daemon->report, SD_EVENT_PRIORITY_IDLE);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    return service_notify_open(loop, err) &&
           clock_watch_open(loop, on_clock_set, daemon, &daemon->clock, err) &&
           reconfigure_open(loop, file, on_configuration, daemon, &daemon->reconfigure, err) &&
           config_watch_open(loop, on_file_changed, daemon, &daemon->watch, err) &&
           status_answers_open(daemon->engine.tools.lookups, add_memory, daemon, &daemon->answers,
                               err) &&
           open_web(daemon, file, err);
}

static void close_web(struct daemon *daemon)
{
    control_close(daemon->control);
    status_answers_close(daemon->answers);
    listen_close(daemon->listen);
    if (daemon->web != NULL)
        web_stop(daemon->web);
    verbs_stop(daemon->verbs);
    serve_close(daemon->serve);
    web_close(daemon->web);
    verbs_close(daemon->verbs);
}

static void watch_files(struct daemon *daemon, struct config_sources *sources)
{
    if (sources == NULL)
        return;
    memcpy(daemon->applied, sources->digest, sizeof daemon->applied);
    config_watch_use(daemon->watch, sources);
}

/* The event `started` is told to hooks as well. */
static bool open_engine(struct daemon *daemon, struct config *config, struct err *err)
{
    bool opened = engine_open(&daemon->engine, config, true, on_rest, daemon, err) &&
                  engine_tell(&daemon->engine, err);

    event_emit(&(struct event){.kind = EVENT_STARTED},
               "leafd " LEAFD_VERSION " keeps %zu certificate%s fresh from %s", config->cert_count,
               config->cert_count == 1 ? "" : "s", config->vault.address);
    return opened;
}

int daemon_run(struct config *config, const char *file)
{
    struct config_sources *sources;
    struct daemon daemon = {.file = file};
    struct err err = {0};
    int r = -1, code;
    bool ended;

    daemon.started_s = daemon.applied_s = clock_now_s();
    sources = config->agent.watch_config ? config_sources_of(config, file) : NULL;
    config_forget_source(config);
    if (verbs_open(&daemon.verbs, &err) && history_open(&daemon.history, &err) &&
        metrics_open(&daemon.metrics, &err) && open_engine(&daemon, config, &err) &&
        open_sources(&daemon, file, &err) && engine_start(&daemon.engine, NULL, 0, &err)) {
        watch_files(&daemon, sources);
        r = sd_event_loop(daemon.engine.tools.loop);
        if (r < 0)
            err_errno(&err, ERR_LOCAL, -r, "the event loop ended");
    }
    if (r < 0)
        event_emit(&(struct event){.kind = EVENT_FAILED}, "cannot run: %s", err.text);
    slot_drop(daemon.end);
    service_notify_close();
    clock_watch_close(daemon.clock);
    ended = config_watch_close(daemon.watch);
    ended &= reconfigure_close(daemon.reconfigure);
    close_web(&daemon);
    sd_event_source_disable_unref(daemon.report);
    ended &= engine_close(&daemon.engine);
    history_close(daemon.history);
    metrics_close(daemon.metrics);
    config_unref(config);
    code = r < 0 ? 1 : 0;
    if (!ended) {
        log_end();
        _exit(code);
    }
    return code;
}
