#include "app/metrics.h"

#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const double metrics_bounds[METRICS_BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                               0.5,   1,    2.5,   5,    10,  30};

/* -- of one certificate ---------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct metrics_cert *)a)->name, ((const struct metrics_cert *)b)->name);
}

static struct metrics_cert *find(const struct metrics *metrics, const char *name)
{
    const struct metrics_cert wanted = {.name = (char *)name};
    void *found = tfind(&wanted, &metrics->certs, by_name);

    return found == NULL ? NULL : *(struct metrics_cert **)found;
}

static void free_cert(void *arg)
{
    struct metrics_cert *cert = arg;

    free(cert->name);
    free(cert);
}

/* NULL if memory ran out: then this event is not counted. */
static struct metrics_cert *find_or_add(struct metrics *metrics, const char *name)
{
    struct metrics_cert *cert = find(metrics, name);

    if (cert != NULL)
        return cert;
    cert = calloc(1, sizeof *cert);
    if (cert == NULL)
        return NULL;
    cert->name = strdup(name);
    if (cert->name == NULL || tsearch(cert, &metrics->certs, by_name) == NULL) {
        free_cert(cert);
        return NULL;
    }
    return cert;
}

static void forget(struct metrics *metrics, const char *name)
{
    struct metrics_cert *cert = find(metrics, name);

    if (cert == NULL)
        return;
    tdelete(cert, &metrics->certs, by_name);
    free_cert(cert);
}

/* The counts that events of a certificate raise. */
static const struct {
    enum event_kind kind;
    size_t count;
} counted[] = {
    {EVENT_ISSUED, offsetof(struct metrics_cert, issuances)},
    {EVENT_ROLLED_BACK, offsetof(struct metrics_cert, rollbacks)},
    {EVENT_RELOADED, offsetof(struct metrics_cert, reloads_ok)},
    {EVENT_RELOAD_FAILED, offsetof(struct metrics_cert, reloads_failed)},
    {EVENT_PROVEN, offsetof(struct metrics_cert, proofs_proven)},
    {EVENT_PROOF_FAILED, offsetof(struct metrics_cert, proofs_failed)},
    {EVENT_PROOF_LOST, offsetof(struct metrics_cert, proofs_lost)},
};

enum { COUNTED = sizeof counted / sizeof *counted };

static bool is_failure(enum event_kind kind)
{
    return kind == EVENT_FAILED || kind == EVENT_RELOAD_FAILED || kind == EVENT_PROOF_FAILED;
}

static void count_cert(struct metrics *metrics, const struct event *event)
{
    bool fails = is_failure(event->kind);
    struct metrics_cert *cert;
    size_t i = 0;

    while (i < COUNTED && counted[i].kind != event->kind)
        i++;
    if (i == COUNTED && !fails)
        return;
    cert = find_or_add(metrics, event->cert);
    if (cert == NULL)
        return;
    if (i < COUNTED)
        ++*(uint32_t *)((char *)cert + counted[i].count);
    if (fails)
        cert->failures[event->failure]++;
}

/* -- of the agent ---------------------------------------------------------------------------------
 */

static void count_login(struct metrics *metrics, const struct event *event)
{
    uint64_t *counts = event->kind == EVENT_LOGGED_IN ? metrics->logins_ok : metrics->logins_failed;

    for (size_t i = 0; i < AUTH_METHOD_COUNT && event->method != NULL; i++)
        counts[i] += strcmp(event->method, auth_method_words[i]) == 0;
}

static void on_event(void *arg, const struct event *event)
{
    struct metrics *metrics = arg;

    metrics->events[event->kind]++;
    if (event->kind == EVENT_FORGOTTEN && event->cert != NULL)
        forget(metrics, event->cert);
    else if (event->cert != NULL)
        count_cert(metrics, event);
    else if (event->kind == EVENT_LOGGED_IN || event->kind == EVENT_LOGIN_FAILED)
        count_login(metrics, event);
}

/* -- requests to the CA ---------------------------------------------------------------------------
 */

static const struct word {
    CURLcode how;
    const char *word;
} words[] = {
    {CURLE_OPERATION_TIMEDOUT, "timeout"},
    {CURLE_COULDNT_RESOLVE_HOST, "dns"},
    {CURLE_COULDNT_RESOLVE_PROXY, "dns"},
    {CURLE_COULDNT_CONNECT, "connect"},
    {CURLE_PROXY, "proxy"},
    {CURLE_SSL_CONNECT_ERROR, "tls"},
    {CURLE_SSL_CERTPROBLEM, "tls"},
    {CURLE_SSL_ISSUER_ERROR, "tls"},
    {CURLE_SSL_CACERT_BADFILE, "tls"},
    {CURLE_PEER_FAILED_VERIFICATION, "tls"},
    {CURLE_WRITE_ERROR, "too-large"},
};

void metrics_code(const struct http_spent *spent, char to[static METRICS_CODE_BYTES])
{
    const char *word = "failed";

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].how == spent->how)
            word = words[i].word;
    if (spent->how != CURLE_OK)
        snprintf(to, METRICS_CODE_BYTES, "%s", word);
    else if (spent->status >= 100 && spent->status <= 599)
        snprintf(to, METRICS_CODE_BYTES, "%d", spent->status);
    else
        snprintf(to, METRICS_CODE_BYTES, "other");
}

/* A CA that invents codes gets no more series than there are places; what is beyond them is not
 * counted. */
static struct metrics_calls *calls_of(struct metrics *metrics, const char *operation,
                                      const char *code)
{
    struct metrics_calls *calls = metrics->calls;

    for (size_t i = 0; i < metrics->call_count; i++, calls++)
        if (strcmp(calls->operation, operation) == 0 && strcmp(calls->code, code) == 0)
            return calls;
    if (metrics->call_count == METRICS_CALLS_MOST)
        return NULL;
    metrics->call_count++;
    calls->operation = operation;
    snprintf(calls->code, sizeof calls->code, "%s", code);
    return calls;
}

static void on_call(void *arg, const struct http_spent *spent)
{
    struct metrics_calls *calls;
    char code[METRICS_CODE_BYTES];
    size_t bucket = 0;

    metrics_code(spent, code);
    calls = calls_of(arg, spent->operation, code);
    if (calls == NULL)
        return;
    while (bucket < METRICS_BOUNDS && (double)spent->took_us > metrics_bounds[bucket] * 1e6)
        bucket++;
    calls->buckets[bucket]++;
    calls->sum_us += spent->took_us;
}

/* -- the whole ------------------------------------------------------------------------------------
 */

bool metrics_open(struct metrics **ret_metrics, struct err *err)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL)
        return err_memory(err);
    metrics->listener = (struct event_listener){.on_event = on_event, .arg = metrics};
    event_listen(&metrics->listener);
    *ret_metrics = metrics;
    return true;
}

void metrics_watch(struct metrics *metrics, struct http_loop *http)
{
    http_loop_watch_calls(http, on_call, metrics);
}

const struct metrics_cert *metrics_cert_of(const struct metrics *metrics, const char *name)
{
    static const struct metrics_cert none;
    const struct metrics_cert *cert = find(metrics, name);

    return cert == NULL ? &none : cert;
}

void metrics_close(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    event_ignore(&metrics->listener);
    tdestroy(metrics->certs, free_cert);
    free(metrics);
}
