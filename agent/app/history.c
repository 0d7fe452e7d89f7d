#include "app/history.h"

#include "app/status.h"
#include "base/event.h"
#include "base/terminal.h"
#include "base/text.h"
#include "plan/urgency.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATIONS_MOST = 4, TRIES_MOST = 6, REASON_BYTES = 160 };

/* What happened, once or several times in a row. */
struct happening {
    uint64_t since_s, at_s; /* the first time and the last time */
    uint64_t end_s;         /* of a generation */
    uint64_t reloaded_s, proven_s;
    uint64_t next_try_s; /* of a failure; 0: none */
    uint32_t reason;     /* urgency_reason; 0: none */
    unsigned count;
    enum event_kind kind;
    enum err_kind class;
    const char *serial; /* both in `text`; "": none */
    const char *why;
    char text[];
};

/* The newest is the last one. */
struct ring {
    struct happening **entries;
    unsigned count, most;
};

struct cert_history {
    const char *name; /* first member: a pointer to a name is a key of the tree */
    struct ring generations, tries;
    struct happening *of_generations[GENERATIONS_MOST], *of_tries[TRIES_MOST];
    char text[];
};

struct history {
    struct event_listener listener;
    void *certs; /* a tree of tsearch(3), by name */
    /* Between the agent and the CA. */
    struct happening *login;
    char method[16];
    uint64_t token_expires_s, problem_s;
    enum err_kind away_class; /* ERR_NONE: it is not away */
    char away_reason[ERR_TEXT_BYTES];
};

/* -- entries --------------------------------------------------------------------------------------
 */

/* A text of an event, which is printable and without credentials; "" for NULL. */
static void cut(char *to, size_t size, const char *text)
{
    if (snprintf(to, size, "%s", text == NULL ? "" : text) >= (int)size)
        memcpy(to + size - sizeof "...", "...", sizeof "...");
}

static struct happening *new_entry(const struct event *event)
{
    const char *serial = event->serial == NULL ? "" : event->serial;
    char why[REASON_BYTES];
    struct happening *entry;
    size_t serial_bytes = strlen(serial) + 1, why_bytes;

    cut(why, sizeof why, event->reason);
    why_bytes = strlen(why) + 1;
    entry = malloc(sizeof *entry + serial_bytes + why_bytes);
    if (entry == NULL)
        return NULL;
    *entry = (struct happening){
        .since_s = event->at_ms / 1000,
        .at_s = event->at_ms / 1000,
        .end_s = event->end_s,
        .next_try_s = event->next_try_ms.given
                          ? (event->at_ms + (uint64_t)event->next_try_ms.value) / 1000
                          : 0,
        .reason = event->reason == NULL ? 0 : urgency_reason(event->reason),
        .count = 1,
        .kind = event->kind,
        .class = event->failure,
    };
    entry->serial = memcpy(entry->text, serial, serial_bytes);
    entry->why = memcpy(entry->text + serial_bytes, why, why_bytes);
    return entry;
}

/* A failure that repeats itself, apart from digits, such as a duration in its text. */
static bool is_repeated(const struct happening *last, const struct happening *next)
{
    return last->kind == next->kind && last->class == next->class && last->reason == next->reason &&
           strcmp(last->serial, next->serial) == 0;
}

static struct happening *newest(const struct ring *ring)
{
    return ring->count == 0 ? NULL : ring->entries[ring->count - 1];
}

/* Takes the entry; NULL, where memory ran out, is left out. */
static void add(struct ring *ring, struct happening *entry)
{
    struct happening *last = newest(ring);

    if (entry == NULL)
        return;
    if (last != NULL && is_repeated(last, entry)) {
        entry->since_s = last->since_s;
        entry->count = last->count + 1;
        ring->entries[ring->count - 1] = entry;
        free(last);
        return;
    }
    if (ring->count == ring->most) {
        free(ring->entries[0]);
        memmove(ring->entries, ring->entries + 1, --ring->count * sizeof *ring->entries);
    }
    ring->entries[ring->count++] = entry;
}

static void empty(struct ring *ring)
{
    for (unsigned i = 0; i < ring->count; i++)
        free(ring->entries[i]);
    ring->count = 0;
}

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : terminal_text(text);
}

static json_t *class_json(enum err_kind class)
{
    return class == ERR_NONE ? json_null() : json_string(err_kind_name(class));
}

static json_t *entry_json(const struct happening *entry)
{
    return json_pack("{s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at",
                     status_moment(entry->at_s), "since", status_moment(entry->since_s), "event",
                     event_name(entry->kind), "count", (json_int_t)entry->count, "serial",
                     text_or_null(entry->serial), "class", class_json(entry->class), "reason",
                     text_or_null(entry->why), "next_try_at", status_moment(entry->next_try_s),
                     "end", status_moment(entry->end_s), "reloaded_at",
                     status_moment(entry->reloaded_s), "proven_at", status_moment(entry->proven_s));
}

/* -- certificates ---------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct cert_history *new_cert(const char *name)
{
    struct cert_history *cert = calloc(1, sizeof *cert + strlen(name) + 1);

    if (cert == NULL)
        return NULL;
    cert->generations = (struct ring){cert->of_generations, 0, GENERATIONS_MOST};
    cert->tries = (struct ring){cert->of_tries, 0, TRIES_MOST};
    cert->name = memcpy(cert->text, name, strlen(name) + 1);
    return cert;
}

static void free_cert(void *node)
{
    struct cert_history *cert = node;

    empty(&cert->generations);
    empty(&cert->tries);
    free(cert);
}

static struct cert_history *find_cert(const struct history *history, const char *name)
{
    struct cert_history *const *found = tfind(&name, &history->certs, by_name);

    return found == NULL ? NULL : *found;
}

/* The certificate of that name, added if it is not there; NULL if memory ran out. */
static struct cert_history *take_cert(struct history *history, const char *name)
{
    struct cert_history *cert = find_cert(history, name);

    if (cert != NULL)
        return cert;
    cert = new_cert(name);
    if (cert != NULL && tsearch(cert, &history->certs, by_name) != NULL)
        return cert;
    free(cert);
    return NULL;
}

static void forget(struct history *history, const struct event *event)
{
    struct cert_history *cert = find_cert(history, event->cert);

    if (cert == NULL)
        return;
    tdelete(cert, &history->certs, by_name);
    free_cert(cert);
}

/* The consumer loaded the generation, or was seen to serve it. */
static void note_progress(struct history *history, const struct event *event)
{
    struct cert_history *cert = find_cert(history, event->cert);
    struct happening *last = cert == NULL ? NULL : newest(&cert->generations);

    if (last == NULL || !text_equal(event->serial, last->serial))
        return;
    if (event->kind == EVENT_RELOADED)
        last->reloaded_s = event->at_ms / 1000;
    else
        last->proven_s = event->at_ms / 1000;
}

/* A set that is read again is no other generation. */
static void note_generation(struct history *history, const struct event *event)
{
    struct cert_history *cert = take_cert(history, event->cert);
    const struct happening *last = cert == NULL ? NULL : newest(&cert->generations);

    if (cert == NULL ||
        (event->kind == EVENT_FOUND && last != NULL && text_equal(event->serial, last->serial)))
        return;
    add(&cert->generations, new_entry(event));
}

static void note_try(struct history *history, const struct event *event)
{
    struct cert_history *cert = take_cert(history, event->cert);

    if (cert != NULL)
        add(&cert->tries, new_entry(event));
}

/* -- the agent ------------------------------------------------------------------------------------
 */

static void note_login(struct history *history, const struct event *event)
{
    free(history->login);
    history->login = new_entry(event);
    snprintf(history->method, sizeof history->method, "%s",
             event->method == NULL ? "" : event->method);
}

/* How long a given token lives is not known before the CA was asked. */
static void note_lease(struct history *history, const struct event *event)
{
    int64_t lease_s = event->lease_s.given ? event->lease_s.value : 0;

    history->token_expires_s = lease_s > 0 ? event->at_ms / 1000 + (uint64_t)lease_s : 0;
}

static void note_logged_in(struct history *history, const struct event *event)
{
    note_lease(history, event);
    note_login(history, event);
}

static void note_away(struct history *history, const struct event *event)
{
    history->away_class = event->failure;
    cut(history->away_reason, sizeof history->away_reason, event->reason);
}

static void note_back(struct history *history, const struct event *event)
{
    (void)event;
    history->away_class = ERR_NONE;
    history->away_reason[0] = '\0';
}

static void note_broken(struct history *history, const struct event *event)
{
    history->problem_s = event->at_ms / 1000;
}

static void note_good(struct history *history, const struct event *event)
{
    (void)event;
    history->problem_s = 0;
}

static json_t *login_json(const struct history *history)
{
    const struct happening *login = history->login;

    if (login == NULL)
        return json_null();
    return json_pack("{s:o, s:s, s:b, s:o, s:o}", "at", status_moment(login->at_s), "method",
                     history->method, "ok", login->kind == EVENT_LOGGED_IN, "class",
                     class_json(login->class), "error", text_or_null(login->why));
}

bool history_add_agent(const struct history *history, json_t *agent)
{
    json_auto_t *added = json_pack("{s:o, s:o, s:o, s:o, s:o}", "login", login_json(history),
                                   "token_expires_at", status_moment(history->token_expires_s),
                                   "ca_away_class", class_json(history->away_class),
                                   "ca_away_reason", text_or_null(history->away_reason),
                                   "problem_at", status_moment(history->problem_s));

    return added != NULL && json_object_update(agent, added) == 0;
}

/* -- the whole ------------------------------------------------------------------------------------
 */

typedef void note(struct history *history, const struct event *event);

/* The events of certificates that are kept; all others are left out. */
static note *const of_certs[EVENT_KIND_COUNT] = {
    [EVENT_FOUND] = note_generation,
    [EVENT_PUBLISHED] = note_generation,
    [EVENT_ROLLED_BACK] = note_generation,
    [EVENT_RELOADED] = note_progress,
    [EVENT_PROVEN] = note_progress,
    [EVENT_FAILED] = note_try,
    [EVENT_WAITS] = note_try,
    [EVENT_DAMAGED] = note_try,
    [EVENT_HELD] = note_try,
    [EVENT_EXPIRING] = note_try,
    [EVENT_EXPIRED] = note_try,
    [EVENT_LINK_FAILED] = note_try,
    [EVENT_AWAITED] = note_try,
    [EVENT_RELOAD_FAILED] = note_try,
    [EVENT_PROOF_FAILED] = note_try,
    [EVENT_PROOF_LOST] = note_try,
    [EVENT_ROLLBACK_FAILED] = note_try,
    [EVENT_CA_CHANGED] = note_try,
    [EVENT_WITHDRAWN] = note_try,
    [EVENT_FORGOTTEN] = forget,
};

/* Likewise, those of the agent as a whole. */
static note *const of_agent[EVENT_KIND_COUNT] = {
    [EVENT_LOGGED_IN] = note_logged_in, [EVENT_LOGIN_FAILED] = note_login,
    [EVENT_TOKEN_RENEWED] = note_lease, [EVENT_CA_AWAY] = note_away,
    [EVENT_CA_BACK] = note_back,        [EVENT_CONFIG_BROKEN] = note_broken,
    [EVENT_CONFIG_GOOD] = note_good,
};

static void on_event(void *arg, const struct event *event)
{
    note *const take = event->cert != NULL ? of_certs[event->kind] : of_agent[event->kind];

    if (take != NULL)
        take(arg, event);
}

bool history_open(struct history **ret_history, struct err *err)
{
    struct history *history = calloc(1, sizeof *history);

    if (history == NULL)
        return err_memory(err);
    history->listener = (struct event_listener){.on_event = on_event, .arg = history};
    event_listen(&history->listener);
    *ret_history = history;
    return true;
}

json_t *history_of(const struct history *history, const char *name)
{
    const struct cert_history *cert = find_cert(history, name);
    const struct ring none = {0}, *generations = cert == NULL ? &none : &cert->generations;
    const struct ring *tries = cert == NULL ? &none : &cert->tries;
    json_t *list = json_array();

    for (unsigned i = 0, j = 0; i < generations->count || j < tries->count;) {
        bool is_try =
            i == generations->count ||
            (j < tries->count && tries->entries[j]->since_s < generations->entries[i]->since_s);

        if (json_array_append_new(
                list, entry_json(is_try ? tries->entries[j++] : generations->entries[i++])) == 0)
            continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

void history_close(struct history *history)
{
    if (history == NULL)
        return;
    event_ignore(&history->listener);
    tdestroy(history->certs, free_cert);
    free(history->login);
    free(history);
}
