#include "app/act_commands.h"

#include "app/agent_call.h"
#include "app/control.h"
#include "app/exit_code.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "base/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    ANSWER_S = 30,    /* for a reply that is due at once */
    POLL_S = 20,      /* for the next outcome; the agent answers after it in any case */
    PATIENCE_S = 300, /* without --wait: so long without any outcome */
    LINES_MOST = 20,  /* on a terminal: of more certificates only failures are printed */
    PATH_BYTES = 128
};

/* A command that follows its errand. */
struct follower {
    const char *file;
    const char *done; /* what the summary calls the certificates for which it went well */
    bool everywhere;
    uint64_t wait_s;   /* 0: PATIENCE_S after the last outcome */
    uint64_t until_us; /* boot clock */
    json_int_t id, count;
    json_int_t settled, failed;
    json_int_t idle; /* of a retry: nothing had failed */
    bool is_terminal;
    int code;
};

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

/* -- interrupts -----------------------------------------------------------------------------------
 */

static void on_interrupt(int number)
{
    static const char words[] = "\nleafd: stopped waiting; the agent goes on\n";
    ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);

    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

/* -- outcomes -------------------------------------------------------------------------------------
 */

static int code_of(const json_t *outcome)
{
    const char *result = text_at(outcome, "result"), *class = text_at(outcome, "class");

    if (strcmp(result, "withdrawn") == 0 || strcmp(class, "denied") == 0 ||
        strcmp(class, "refused") == 0)
        return EXIT_REFUSED;
    if (class[0] != '\0')
        return EXIT_RETRY;
    return strcmp(result, "renewed") == 0 || strcmp(result, "fine") == 0 ||
                   strcmp(result, "revoked") == 0
               ? EXIT_FINE
               : EXIT_RETRY;
}

/* What is said of the consumer after what was published. */
static const char *words_of_consumer(const json_t *outcome)
{
    static const char *const words[][2] = {
        {"proven", ", proven"},
        {"reloaded", ", reloaded"},
        {"awaited", ", its consumer does not run yet"},
        {"failed", ", not proven"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], text_at(outcome, "consumer")) == 0)
            return words[i][1];
    return "";
}

static void print_renewed(const json_t *outcome)
{
    const char *name = text_at(outcome, "cert"), *revoked = text_at(outcome, "revoked");
    const char *serial = text_at(outcome, "serial"); /* "" of a [trust] section */
    const char *label = serial[0] == '\0' ? "" : "serial ";

    if (revoked[0] != '\0')
        terminal_line(stdout, "[cert %s] revoked serial %s", name, revoked);
    if (strcmp(text_at(outcome, "result"), "renewed") == 0)
        terminal_line(stdout, "[cert %s] renewed: %s%s%sends %s%s", name, label, serial,
                      serial[0] == '\0' ? "" : ", ", text_at(outcome, "end"),
                      words_of_consumer(outcome));
    if (strcmp(text_at(outcome, "result"), "fine") == 0)
        terminal_line(stdout, "[cert %s] nothing fails: %s%s%sends %s%s", name, label, serial,
                      serial[0] == '\0' ? "" : ", ", text_at(outcome, "end"),
                      words_of_consumer(outcome));
}

/* Why it did not go well, and what to do; "": there is no more to say than the error. */
static const char *advice_of(const json_t *outcome)
{
    static const char *const advice[][2] = {
        {"held", "a new certificate is held, and is published at "},
        {"withdrawn", "it was revoked and withdrawn; to replace it, renew it by its name"},
        {"gone", "it is no longer in the configuration"},
        {"untried", "only another certificate would help: leafd renew "},
    };

    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        if (strcmp(advice[i][0], text_at(outcome, "result")) == 0)
            return advice[i][1];
    return "";
}

/* Nothing but the command asked for it. */
static const char *unrepeated_words(const json_t *outcome)
{
    return json_is_true(json_object_get(outcome, "fresh"))
               ? "; not repeated: the certificate in place is fresh"
               : "; not repeated";
}

static void print_failure(const json_t *outcome)
{
    const char *name = text_at(outcome, "cert"), *result = text_at(outcome, "result");
    const char *error = text_at(outcome, "error"), *next = text_at(outcome, "next_try_at");
    const char *advice = advice_of(outcome);

    if (error[0] != '\0')
        terminal_line(stderr, "leafd: [cert %s] %s: %s%s%s", name, text_at(outcome, "class"), error,
                      strcmp(result, "unmet") == 0 ? unrepeated_words(outcome)
                      : next[0] == '\0'            ? ""
                                                   : "; next try at ",
                      next);
    if (strcmp(result, "failed") == 0 && error[0] == '\0')
        advice = "the agent has stopped this try; `leafd status` shows why";
    if (advice[0] != '\0')
        terminal_line(stderr, "leafd: [cert %s] %s%s", name, advice,
                      strcmp(result, "held") == 0      ? text_at(outcome, "until")
                      : strcmp(result, "untried") == 0 ? name
                                                       : "");
}

static void take_outcome(struct follower *follower, const json_t *outcome)
{
    int code = code_of(outcome);

    follower->settled++;
    follower->code = exit_code_worse(follower->code, code);
    if (code != EXIT_FINE)
        follower->failed++;
    else if (json_is_false(json_object_get(outcome, "waited")))
        follower->idle++;
    if (follower->is_terminal)
        terminal_redraw(stdout, "%s", "");
    if (!follower->is_terminal || follower->count <= LINES_MOST)
        print_renewed(outcome);
    if (code != EXIT_FINE)
        print_failure(outcome);
}

/* -- progress -------------------------------------------------------------------------------------
 */

static void draw(const struct follower *follower)
{
    if (follower->is_terminal && follower->settled < follower->count)
        terminal_redraw(stdout, "%lld of %lld %s, %lld failed",
                        (long long)(follower->settled - follower->failed),
                        (long long)follower->count, follower->done, (long long)follower->failed);
}

static void extend(struct follower *follower)
{
    if (follower->wait_s == 0)
        follower->until_us = clock_boot_us() + PATIENCE_S * 1000000ULL;
}

static void tell_unsettled(const struct follower *follower, const json_t *waiting)
{
    const json_t *cert;
    size_t i;

    json_array_foreach (waiting, i, cert)
        terminal_line(stderr, "leafd: [cert %s] still %s", text_at(cert, "cert"),
                      text_at(cert, "doing"));
    terminal_line(stderr,
                  "leafd: the time is over for %lld of %lld; the agent goes on, `leafd status` "
                  "shows the result",
                  (long long)(follower->count - follower->settled), (long long)follower->count);
}

/* An agent that hangs does not prolong --wait much. */
static uint64_t answer_s(const struct follower *follower)
{
    return follower->wait_s == 0 ? ANSWER_S : duration_shorter(ANSWER_S, follower->wait_s);
}

/* Collects the next outcomes; false if the command ends before all are known. */
static bool collect(struct follower *follower)
{
    CLEANUP(agent_reply_free) struct agent_reply reply = {0};
    uint64_t now_us = clock_boot_us(), left_us;
    const json_t *outcomes, *outcome;
    char path[PATH_BYTES];
    struct err err;
    size_t i;

    left_us = follower->until_us > now_us ? follower->until_us - now_us : 0;
    snprintf(path, sizeof path, CONTROL_OUTCOMES "?id=%lld&from=%lld&wait=%llu",
             (long long)follower->id, (long long)follower->settled,
             (unsigned long long)duration_shorter(POLL_S, (left_us + 999999) / 1000000));
    if (!agent_call(follower->file, "GET", path,
                    duration_shorter(POLL_S, (left_us + 999999) / 1000000) + answer_s(follower),
                    follower->everywhere, &reply, &err)) {
        terminal_line(stderr, "leafd: %s", err.text);
        return false;
    }
    if (reply.status != CONTROL_APPLIED) {
        terminal_line(stderr, "leafd: the agent answered %d: %s; `leafd status` shows the result",
                      reply.status, text_at(reply.body, "error"));
        return false;
    }
    outcomes = json_object_get(reply.body, "outcomes");
    json_array_foreach (outcomes, i, outcome)
        take_outcome(follower, outcome);
    if (json_array_size(outcomes) > 0)
        extend(follower);
    else if (left_us == 0 && follower->settled < follower->count)
        tell_unsettled(follower, json_object_get(reply.body, "waiting"));
    return json_array_size(outcomes) > 0 || left_us > 0;
}

static void print_counts(const struct follower *follower)
{
    char idle[PATH_BYTES] = "";

    if (follower->idle > 0)
        snprintf(idle, sizeof idle, ", %lld without a failure before", (long long)follower->idle);
    terminal_line(stdout, "%lld of %lld %s, %lld failed%s",
                  (long long)(follower->settled - follower->failed - follower->idle),
                  (long long)follower->count, follower->done, (long long)follower->failed, idle);
}

static int follow(struct follower *follower)
{
    bool goes_on = true;

    follower->is_terminal = isatty(STDOUT_FILENO) == 1;
    follower->until_us = clock_boot_us() + follower->wait_s * 1000000;
    extend(follower);
    signal(SIGINT, on_interrupt);
    while (goes_on && follower->settled < follower->count) {
        draw(follower);
        goes_on = collect(follower);
    }
    signal(SIGINT, SIG_DFL);
    if (follower->is_terminal)
        terminal_redraw(stdout, "%s", "");
    if (follower->count > 1)
        print_counts(follower);
    return follower->settled < follower->count ? exit_code_worse(follower->code, EXIT_RETRY)
                                               : follower->code;
}

/* -- beginning ------------------------------------------------------------------------------------
 */

static json_t *order_of(const char *const *names, size_t count)
{
    json_t *order = json_object(), *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, terminal_text(names[i]));
    if (count == 0) {
        json_decref(list);
        json_object_set_new(order, "all", json_true());
    } else {
        json_object_set_new(order, "certs", list);
    }
    return order;
}

static int tell_refusal(const struct agent_reply *reply)
{
    terminal_line(stderr, "leafd: %s", text_at(reply->body, "error"));
    return reply->status == CONTROL_REFUSED || reply->status == CONTROL_BAD ? EXIT_USAGE
                                                                            : EXIT_RETRY;
}

/* An agent of an earlier release does not know the path. */
static bool is_unable(const struct agent_reply *reply, const struct err *err)
{
    return reply->status == CONTROL_UNKNOWN ||
           (err->kind != ERR_NONE && (err->errnum == ENOENT || err->errnum == ECONNREFUSED));
}

/* Returns -1 if `alone_is_fine` and no agent can do it. */
static int run(struct follower *follower, const char *path, const json_t *order, bool alone_is_fine)
{
    CLEANUP(agent_reply_free) struct agent_reply reply = {0};
    struct err err = {0};
    bool answered = agent_post(follower->file, path, order, answer_s(follower),
                               follower->everywhere, &reply, &err);

    if (alone_is_fine && is_unable(&reply, &err))
        return -1;
    if (!answered) {
        terminal_line(stderr, "leafd: %s", err.text);
        return EXIT_RETRY;
    }
    if (reply.status != CONTROL_BEGUN)
        return tell_refusal(&reply);
    follower->id = json_integer_value(json_object_get(reply.body, "id"));
    follower->count = json_integer_value(json_object_get(reply.body, "count"));
    return follow(follower);
}

int renew_command(const char *file, const char *const *names, size_t count, uint64_t wait_s)
{
    struct follower follower = {
        .file = file, .done = "renewed", .everywhere = true, .wait_s = wait_s};
    json_auto_t *order = order_of(names, count);

    return run(&follower, CONTROL_RENEW, order, false);
}

int retry_command(const char *file, const char *const *names, size_t count, uint64_t wait_s)
{
    struct follower follower = {
        .file = file, .done = "repaired", .everywhere = true, .wait_s = wait_s};
    json_auto_t *order = order_of(names, count);
    int code = run(&follower, CONTROL_RETRY, order, false);

    if (code == EXIT_FINE && follower.count == 0)
        terminal_line(stdout, "nothing waits after a failure");
    return code;
}

/* Who may say that a certificate was revoked is only root or this user. */
int revoke_command(const char *file, const char *const *names, size_t count, bool withdraws)
{
    struct follower follower = {.file = file,
                                .done = withdraws ? "revoked" : "revoked and replaced"};
    json_auto_t *order = order_of(names, count);
    int code;

    json_object_set_new(order, "withdraws", json_boolean(withdraws));
    code = run(&follower, CONTROL_REVOKE, order, true);
    if (code >= 0 && withdraws && follower.settled > follower.failed)
        terminal_line(stdout,
                      "no other certificate is issued until `leafd renew CERT` asks for it");
    return code;
}
