#include "app/verbs.h"

#include "app/control.h"
#include "app/errands.h"
#include "app/event_ring.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    POLLS_MOST = SERVE_CONNECTIONS_MOST / 2, /* so that other commands are answered */
    POLL_MOST_S = 25,
    GATHER_US = 50000, /* what happens together is told together */
    STREAM_BYTES = 64
};

/* A request that waits for something to tell. */
struct poll {
    struct serve_request *request;
    uint64_t until_us; /* boot clock */
    uint64_t errand;   /* 0: for events */
    uint64_t after;
    char stream[STREAM_BYTES];
};

struct verbs {
    struct engine *engine;
    struct serve_table table;
    struct errands *errands; /* NULL: stopped */
    struct event_ring *ring;
    sd_event_source *timer;
    uint64_t rings_us;
    struct poll polls[POLLS_MOST];
    size_t count;
};

/* -- requests that wait ---------------------------------------------------------------------------
 */

static void ring_at(struct verbs *verbs, uint64_t moment_us)
{
    if (verbs->rings_us != 0 && verbs->rings_us <= moment_us)
        return;
    verbs->rings_us = moment_us;
    sd_event_source_set_time(verbs->timer, moment_us);
    sd_event_source_set_enabled(verbs->timer, SD_EVENT_ONESHOT);
}

static bool has_news(const struct verbs *verbs, const struct poll *poll)
{
    return poll->errand == 0 ? event_ring_has(verbs->ring, poll->stream, poll->after)
                             : errands_has(verbs->errands, poll->errand, poll->after);
}

static void answer(struct verbs *verbs, const struct poll *poll)
{
    json_t *body = poll->errand == 0 ? event_ring_tell(verbs->ring, poll->stream, poll->after)
                                     : errands_tell(verbs->errands, poll->errand, poll->after);

    if (body == NULL)
        serve_refuse(poll->request, CONTROL_UNKNOWN,
                     "the agent has no such errand, or has restarted");
    else
        serve_answer(poll->request, CONTROL_APPLIED, body);
}

static int on_timer(sd_event_source *source, uint64_t ignored_us, void *arg)
{
    struct verbs *verbs = arg;
    uint64_t now_us = clock_boot_us(), next_us = UINT64_MAX;
    size_t kept = 0;

    (void)source;
    (void)ignored_us;
    verbs->rings_us = 0;
    for (size_t i = 0; i < verbs->count; i++) {
        struct poll *poll = &verbs->polls[i];

        if (poll->until_us <= now_us || has_news(verbs, poll)) {
            answer(verbs, poll);
            continue;
        }
        next_us = duration_shorter(next_us, poll->until_us);
        verbs->polls[kept++] = *poll;
    }
    verbs->count = kept;
    if (kept > 0)
        ring_at(verbs, next_us);
    return 0;
}

/* There may be something to tell. */
static void on_news(void *arg)
{
    struct verbs *verbs = arg;

    if (verbs->count > 0)
        ring_at(verbs, clock_boot_us() + GATHER_US);
}

static void add_poll(struct verbs *verbs, struct poll *poll, uint64_t wait_s)
{
    poll->until_us = clock_boot_us() + duration_shorter(wait_s, POLL_MOST_S) * 1000000;
    if (verbs->errands == NULL) {
        serve_refuse(poll->request, CONTROL_BUSY, "the agent is stopping");
        return;
    }
    if (wait_s == 0 || verbs->count == POLLS_MOST || has_news(verbs, poll)) {
        answer(verbs, poll);
        return;
    }
    verbs->polls[verbs->count++] = *poll;
    ring_at(verbs, poll->until_us);
}

/* -- requests -------------------------------------------------------------------------------------
 */

static uint64_t number_of(const struct serve_request *request, const char *name)
{
    const char *text = serve_query(request, name);
    uint64_t number;

    return text != NULL && text_number(text, UINT64_MAX / 2, &number) ? number : 0;
}

/* What the request asks for: {"certs": ["NAME", ...]} or {"all": true}, or ?cert=NAME. */
static json_t *read_order(const struct serve_request *request)
{
    const char *name = serve_query(request, "cert"), *body = serve_body(request);

    if (name != NULL)
        return json_pack("{s:[s]}", "certs", name);
    return json_loads(body == NULL ? "{}" : body, JSON_REJECT_DUPLICATES, NULL);
}

/* Retries of all are limited; a renewal is limited by what the CA signs. */
static bool may_begin(struct verbs *verbs, enum errand_kind kind, struct serve_request *request)
{
    char why[128], wait[DURATION_TEXT_BYTES];
    uint64_t wait_s;

    if (kind != ERRAND_RETRY) {
        engine_end_pause(verbs->engine, ENGINE_ASKED_RENEW, &wait_s);
        return true;
    }
    if (engine_end_pause(verbs->engine, ENGINE_ASKED_RETRY, &wait_s))
        return true;
    duration_text(wait_s, wait);
    snprintf(why, sizeof why,
             "everything was retried a few times just now; the next retry may be in %s", wait);
    serve_refuse(request, CONTROL_EARLY, why);
    return false;
}

static void begin(struct verbs *verbs, struct serve_request *request, enum errand_kind kind)
{
    json_auto_t *asked = read_order(request);
    const json_t *names = json_object_get(asked, "certs");
    bool all = json_is_true(json_object_get(asked, "all"));
    const struct errand_order order = {
        .kind = kind,
        .names = all ? NULL : names,
        .withdraws = json_is_true(json_object_get(asked, "withdraws")),
    };
    struct err err;
    uint64_t number;
    size_t count;

    if (verbs->errands == NULL) {
        serve_refuse(request, CONTROL_BUSY, "the agent is stopping");
        return;
    }
    if (all ? kind == ERRAND_REVOKE || names != NULL : json_array_size(names) == 0) {
        serve_refuse(request, CONTROL_BAD, "the request names no certificate");
        return;
    }
    if (!may_begin(verbs, kind, request))
        return;
    number = errands_add(verbs->errands, &order, &count, &err);
    if (number != 0)
        serve_answer(request, CONTROL_BEGUN,
                     json_pack("{s:I, s:I}", "id", (json_int_t)number, "count", (json_int_t)count));
    else
        serve_refuse(request, err.kind == ERR_CONFIG ? CONTROL_REFUSED : CONTROL_BUSY, err.text);
}

static void on_outcomes(void *arg, struct serve_request *request)
{
    struct verbs *verbs = arg;
    struct poll poll = {.request = request,
                        .errand = number_of(request, "id"),
                        .after = number_of(request, "from")};

    if (poll.errand == 0)
        serve_refuse(request, CONTROL_BAD, "id=N is missing: the number of the errand");
    else
        add_poll(verbs, &poll, number_of(request, "wait"));
}

static void on_events(void *arg, struct serve_request *request)
{
    const char *stream = serve_query(request, "stream");
    struct poll poll = {.request = request, .after = number_of(request, "after")};

    snprintf(poll.stream, sizeof poll.stream, "%s", stream == NULL ? "" : stream);
    add_poll(arg, &poll, number_of(request, "wait"));
}

static void on_renew(void *arg, struct serve_request *request)
{
    begin(arg, request, ERRAND_RENEW);
}

static void on_retry(void *arg, struct serve_request *request)
{
    begin(arg, request, ERRAND_RETRY);
}

static void on_revoke(void *arg, struct serve_request *request)
{
    begin(arg, request, ERRAND_REVOKE);
}

static const struct serve_route routes[] = {{"POST", CONTROL_RENEW, true, true, on_renew},
                                            {"POST", CONTROL_RETRY, true, true, on_retry},
                                            {"POST", CONTROL_REVOKE, true, true, on_revoke},
                                            {"GET", CONTROL_OUTCOMES, true, false, on_outcomes},
                                            {"GET", CONTROL_EVENTS, true, false, on_events},
                                            {0}};

void verbs_note(struct verbs *verbs, const struct cert *cert)
{
    if (verbs != NULL)
        errands_note(verbs->errands, cert);
}

/* -- from the start to the end --------------------------------------------------------------------
 */

bool verbs_open(struct verbs **ret_verbs, struct err *err)
{
    struct verbs *verbs = calloc(1, sizeof *verbs);

    if (verbs == NULL)
        return err_memory(err);
    *ret_verbs = verbs;
    return event_ring_open(on_news, verbs, &verbs->ring, err);
}

bool verbs_start(struct verbs *verbs, struct engine *engine, struct serve *serve, struct err *err)
{
    int r =
        sd_event_add_time(engine->tools.loop, &verbs->timer, CLOCK_BOOTTIME, 0, 1, on_timer, verbs);

    if (r >= 0)
        r = sd_event_source_set_enabled(verbs->timer, SD_EVENT_OFF);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    verbs->engine = engine;
    verbs->table = (struct serve_table){.routes = routes, .arg = verbs};
    serve_add(serve, &verbs->table);
    return errands_open(engine, on_news, verbs, &verbs->errands, err);
}

void verbs_stop(struct verbs *verbs)
{
    if (verbs == NULL)
        return;
    for (size_t i = 0; i < verbs->count; i++)
        serve_refuse(verbs->polls[i].request, CONTROL_BUSY, "the agent is stopping");
    verbs->count = 0;
    errands_close(verbs->errands);
    verbs->errands = NULL;
}

void verbs_close(struct verbs *verbs)
{
    if (verbs == NULL)
        return;
    event_ring_close(verbs->ring);
    sd_event_source_disable_unref(verbs->timer);
    free(verbs);
}
