#include "ca/silence.h"

#include "base/clock.h"
#include "base/random.h"
#include "ca/vault_call.h"

#include <stdlib.h>

/* Between questions that no certificate needs; doubled after each, up to MOST_DOUBLINGS times. A
 * login may be limited or locked after failures. */
enum { PROBE_S = 10, PROBE_LOGIN_S = 60, MOST_DOUBLINGS = 5 };

struct silence {
    struct silence_listener listener;
    struct http_loop *http;
    struct vault_token *session;
    bool is_on;
    enum err_kind kind;  /* of its first failure */
    bool is_unanswered;  /* the last failure was no answer: no reply, or that of a proxy */
    bool is_unconnected; /* likewise, and there was no reply at all */
    /* On the boot clock; 0: never. */
    uint64_t since_us, answered_us;
    uint64_t told_us; /* when the last outage was reported */
    uint64_t used_us; /* when [vault] and [auth] changed last */

    sd_event_source *timer; /* of the next question; NULL in a process that does not stay */
    unsigned questions;     /* in this outage */
    struct slot *question;
    struct vault_reply reply;
};

bool silence_is_unanswered(const struct err *err)
{
    return (err->http_status == 0 || (err->http_status >= 502 && err->http_status <= 504)) &&
           (err->kind == ERR_TRANSIENT || err->kind == ERR_UNTRUSTED);
}

bool silence_is_on(const struct silence *silence)
{
    return silence->is_on;
}

uint64_t silence_since_s(const struct silence *silence)
{
    return silence->is_on ? clock_now_s() - (clock_boot_us() - silence->since_us) / 1000000 : 0;
}

bool silence_is_unreachable(const struct silence *silence)
{
    return silence->is_on && silence->is_unanswered && silence->kind == ERR_TRANSIENT;
}

bool silence_is_of_login(const struct silence *silence)
{
    return silence->is_on && !silence->is_unanswered;
}

/* -- asking ---------------------------------------------------------------------------------------
 */

static void drop_question(struct silence *silence)
{
    silence->question = slot_drop(silence->question);
    vault_reply_free(&silence->reply);
}

static void arm(struct silence *silence)
{
    unsigned doublings = silence->questions < MOST_DOUBLINGS ? silence->questions : MOST_DOUBLINGS;
    uint64_t most_us = (silence->is_unanswered ? PROBE_S : PROBE_LOGIN_S) * 1000000ULL << doublings;

    if (silence->timer == NULL || silence->listener.is_awaited == NULL)
        return;
    sd_event_source_set_time_relative(silence->timer,
                                      most_us / 2 + random_share(most_us / 2, random_draw()));
    sd_event_source_set_enabled(silence->timer, SD_EVENT_ONESHOT);
}

static void on_health(void *arg, const struct err *health_err)
{
    struct silence *silence = arg;
    const struct err err = *health_err;

    drop_question(silence);
    /* A standby, say, answers with an error. */
    if (err.kind == ERR_NONE || (err.http_status != 0 && !silence_is_unanswered(&err)))
        silence_end(silence);
    else
        arm(silence);
}

/* The session's listener has heard how it ended. */
static void on_login(void *arg, const struct err *err)
{
    struct silence *silence = arg;

    (void)err;
    drop_question(silence);
    if (silence->is_on)
        arm(silence);
}

static struct slot *ask(struct silence *silence, struct err *err)
{
    const struct vault_client client = vault_token_client(silence->session);
    const struct vault_order order = {.operation = "health", .method = "GET", .path = "sys/health"};

    if (silence->is_unanswered)
        return vault_call_start(&client, &order, &silence->reply, on_health, silence, err);
    return vault_token_ensure_start(silence->session, &(struct token_need){0}, on_login, silence,
                                    err);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct silence *silence = arg;
    struct err err;

    (void)source;
    (void)now_us;
    if (!silence->is_on || silence->question != NULL)
        return 0;
    if (!silence->listener.is_awaited(silence->listener.arg)) {
        silence->questions++;
        silence->question = ask(silence, &err);
    }
    if (silence->question == NULL)
        arm(silence);
    return 0;
}

/* -- the beginning and the end --------------------------------------------------------------------
 */

void silence_end(struct silence *silence)
{
    const struct silence_listener *listener = &silence->listener;
    uint64_t now_us = clock_boot_us();

    silence->answered_us = now_us;
    if (!silence->is_on)
        return;
    silence->is_on = false;
    if (silence->timer != NULL)
        sd_event_source_set_enabled(silence->timer, SD_EVENT_OFF);
    if (listener->on_back != NULL)
        listener->on_back(listener->arg, (now_us - silence->since_us) / 1000000);
}

/* Whatever was asked, the CA can be reached. */
static void on_reply(void *arg)
{
    struct silence *silence = arg;

    if (silence->is_on && silence->is_unconnected)
        silence_end(silence);
}

/* Whether this outage was reported; a failure from before [vault] changed is no other one. */
static bool is_told(const struct silence *silence, uint64_t asked_us, const struct err *why)
{
    if (!silence->is_on)
        return false;
    return asked_us < silence->used_us ||
           (silence->told_us >= silence->used_us && silence->kind == why->kind);
}

static void tell(struct silence *silence, uint64_t asked_us, const struct err *why)
{
    const struct silence_listener *listener = &silence->listener;

    if (!silence->is_on || silence->kind != why->kind)
        silence->since_us = asked_us;
    if (!silence->is_on)
        silence->questions = 0;
    silence->is_on = true;
    silence->kind = why->kind;
    silence->told_us = clock_boot_us();
    arm(silence);
    if (listener->on_away != NULL)
        listener->on_away(listener->arg, why);
}

/* A failure counts only if no other request was answered since `asked_us`, and if [vault] has not
 * changed since then. */
void silence_begin(struct silence *silence, uint64_t asked_us, const struct err *why)
{
    bool was_told = is_told(silence, asked_us, why);

    if (silence->answered_us > asked_us || (was_told && asked_us < silence->used_us))
        return;
    silence->is_unanswered = silence_is_unanswered(why);
    silence->is_unconnected = silence->is_unanswered && why->http_status == 0;
    if (!was_told)
        tell(silence, asked_us, why);
}

void silence_use(struct silence *silence)
{
    silence->used_us = clock_boot_us();
    if (!silence->is_on)
        return;
    drop_question(silence);
    silence->questions = 0;
    arm(silence);
}

bool silence_open(struct http_loop *http, struct vault_token *session, bool stays,
                  const struct silence_listener *listener, struct silence **ret_silence,
                  struct err *err)
{
    struct silence *silence = calloc(1, sizeof *silence);
    int r = 0;

    if (silence == NULL)
        return err_memory(err);
    *silence = (struct silence){.listener = *listener, .http = http, .session = session};
    if (stays)
        r = sd_event_add_time(http_loop_event(http), &silence->timer, CLOCK_BOOTTIME, 0, 0,
                              on_timer, silence);
    if (r < 0) {
        silence_close(silence);
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    if (stays) {
        sd_event_source_set_enabled(silence->timer, SD_EVENT_OFF);
        sd_event_source_set_description(silence->timer, "ask the silent CA");
    }
    http_loop_watch_replies(http, on_reply, silence);
    *ret_silence = silence;
    return true;
}

void silence_close(struct silence *silence)
{
    if (silence == NULL)
        return;
    http_loop_watch_replies(silence->http, NULL, NULL);
    drop_question(silence);
    sd_event_source_disable_unref(silence->timer);
    free(silence);
}
