#include "app/once.h"

#include "app/engine.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* The result of the certificate's last rest that counts. */
struct outcome {
    int code;
    bool settled; /* the command does not wait for this certificate any more */
};

struct once {
    struct engine engine;
    struct slot *end;         /* what is left to do before it exits */
    struct outcome *outcomes; /* of each certificate of the engine */
    size_t awaited;           /* certificates that are not settled */
    bool waits;               /* failures are retried: until the last try before the deadline */
    bool ending;
};

enum {
    CODE_NONE_YET = -1,
    LAST_TRY_S = 15, /* before the deadline, or a quarter of the wait, whichever is shorter */
    JITTER_MS = 1000 /* agents that started together do not ask together */
};

static int code_of(const struct cert *cert)
{
    const struct err *failure = cert_failure(cert);

    if (cert_issuance_state(cert) == ISSUANCE_WITHDRAWN)
        return EXIT_REFUSED;
    if (failure == NULL) {
        /* A consumer that is not running yet reads the files when it starts. */
        return cert_issuance_state(cert) == ISSUANCE_IDLE ? EXIT_FINE : EXIT_RETRY;
    }
    return exit_code_of(failure);
}

static int code_of_all(const struct once *once)
{
    int code = EXIT_FINE;

    for (size_t i = 0; i < once->engine.count; i++)
        if (once->outcomes[i].code == CODE_NONE_YET)
            code = exit_code_worse(code, EXIT_RETRY);
        else
            code = exit_code_worse(code, once->outcomes[i].code);
    return code;
}

static void on_all_done(void *arg, const struct err *err)
{
    struct once *once = arg;

    (void)err;
    once->end = slot_drop(once->end);
    sd_event_exit(once->engine.tools.loop, code_of_all(once));
}

static void end(struct once *once)
{
    if (once->ending)
        return;
    once->ending = true;
    once->end = engine_end_start(&once->engine, on_all_done, once);
    if (once->end == NULL)
        sd_event_exit(once->engine.tools.loop, code_of_all(once));
}

static void note(struct once *once, size_t i, int code, bool settled)
{
    struct outcome *outcome = &once->outcomes[i];

    once->awaited = once->awaited + (outcome->settled ? 1 : 0) - (settled ? 1 : 0);
    *outcome = (struct outcome){code, settled};
}

/* Without --wait the first try counts. A certificate that retries while the others are still in
 * their first try is not waited for. A withdrawn certificate stays as it is, however long the
 * command waits. */
static void on_rest(void *arg, struct cert *cert)
{
    struct once *once = arg;
    size_t i = engine_index_of(&once->engine, cert);
    int code = code_of(cert);

    if (once->ending || !cert_rests(cert) || (!once->waits && once->outcomes[i].settled))
        return;
    note(once, i, code,
         !once->waits || code == EXIT_FINE || cert_issuance_state(cert) == ISSUANCE_WITHDRAWN);
    if (once->awaited == 0)
        end(once);
}

/*
 * Starts a last try before the deadline, however long the backoff still is. Its result counts, and
 * no retry follows.
 */
static int on_last_try(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct once *once = arg;

    (void)source;
    (void)now_us;
    once->waits = false;
    ca_end_pause(once->engine.tools.ca);
    for (size_t i = 0; i < once->engine.count; i++) {
        int code = once->outcomes[i].code;

        if (code == EXIT_FINE || !cert_try_within(once->engine.certs[i], JITTER_MS))
            note(once, i, code, true);
        else
            note(once, i, CODE_NONE_YET, false);
    }
    if (once->awaited == 0)
        end(once);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    end(arg);
    return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    (void)info;
    (void)arg;
    return sd_event_exit(sd_event_source_get_event(source), EXIT_RETRY);
}

static bool open_sources(struct once *once, uint64_t wait_s, struct err *err)
{
    sd_event *loop = once->engine.tools.loop;
    uint64_t wait_us = wait_s * 1000000;
    int r = sd_event_add_signal(loop, NULL, SIGTERM, on_signal, once);

    if (r >= 0)
        r = sd_event_add_signal(loop, NULL, SIGINT, on_signal, once);
    if (r >= 0 && wait_s > 0)
        r = sd_event_add_time_relative(loop, NULL, CLOCK_BOOTTIME, wait_us, 0, on_deadline, once);
    if (r >= 0 && wait_s > 0)
        r = sd_event_add_time_relative(
            loop, NULL, CLOCK_BOOTTIME,
            wait_us - duration_shorter(wait_us / 4, LAST_TRY_S * 1000000ULL), 0, on_last_try, once);
    return r >= 0 || err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
}

static bool open_outcomes(struct once *once, struct err *err)
{
    once->outcomes = calloc(once->engine.count + 1, sizeof *once->outcomes);
    if (once->outcomes == NULL)
        return err_memory(err);
    once->awaited = once->engine.count;
    for (size_t i = 0; i < once->engine.count; i++)
        once->outcomes[i].code = CODE_NONE_YET;
    return true;
}

int once_run(struct config *config, const char *const *names, size_t count, uint64_t wait_s)
{
    struct once once = {.waits = wait_s > 0};
    struct err err = {0};
    int code = -1;
    bool ended;

    if (engine_open(&once.engine, config, false, on_rest, &once, &err) &&
        engine_tell(&once.engine, &err) && open_sources(&once, wait_s, &err) &&
        engine_start(&once.engine, names, count, &err) && open_outcomes(&once, &err)) {
        code = sd_event_loop(once.engine.tools.loop);
        if (code < 0)
            err_errno(&err, ERR_LOCAL, -code, "the event loop ended");
    }
    if (code < 0)
        event_emit(&(struct event){.kind = EVENT_FAILED}, "cannot run: %s", err.text);
    slot_drop(once.end);
    ended = engine_close(&once.engine);
    free(once.outcomes);
    config_unref(config);
    if (code < 0)
        code = EXIT_RETRY;
    if (!ended) {
        log_end();
        _exit(code);
    }
    return code;
}
