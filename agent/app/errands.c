#include "app/errands.h"

#include "app/revoke_set.h"
#include "app/status.h"
#include "base/clock.h"
#include "base/terminal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_MOST = 10 /* in a reply */ };

struct item {
    struct errand *errand;
    char *name;
    unsigned issued;   /* cert_issued before */
    bool settled;      /* the outcome is known */
    bool follows;      /* another errand revokes it */
    bool waited;       /* of a retry: something had failed */
    bool untried;      /* likewise: only a new certificate would help */
    struct slot *slot; /* the revocation under way */
    struct revoked_set revoked;
    struct err failure; /* of the revocation */
};

struct errand {
    struct errands *errands;
    uint64_t number; /* 0: the place is free */
    enum errand_kind kind;
    bool withdraws;
    struct item *items; /* sorted by name */
    size_t count, settled;
    json_t *outcomes; /* from number `forgotten` on */
    size_t forgotten;
    uint64_t told_us; /* when they were collected last, on the boot clock */
};

struct errands {
    struct engine *engine;
    errands_changed *on_changed;
    void *arg;
    uint64_t last; /* number */
    struct errand places[ERRANDS_MOST];
};

/* -- items ----------------------------------------------------------------------------------------
 */

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static int compare_name(const void *name, const void *item)
{
    return strcmp(name, ((const struct item *)item)->name);
}

static struct item *find_item(const struct errand *errand, const char *name)
{
    if (errand->count == 0)
        return NULL;
    return bsearch(name, errand->items, errand->count, sizeof *errand->items, compare_name);
}

/* An item of another errand of the kind for the same certificate whose outcome is not known. */
static struct item *find_other(const struct item *item)
{
    struct errands *errands = item->errand->errands;

    for (size_t i = 0; i < ERRANDS_MOST; i++) {
        struct errand *errand = &errands->places[i];
        struct item *other = NULL;

        if (errand->number != 0 && errand != item->errand && errand->kind == item->errand->kind)
            other = find_item(errand, item->name);
        if (other != NULL && !other->settled && !other->follows)
            return other;
    }
    return NULL;
}

/* -- outcomes -------------------------------------------------------------------------------------
 */

static void add_failure(json_t *outcome, const struct err *err, uint64_t next_try_s)
{
    json_object_set_new(outcome, "class", json_string(err_kind_name(err->kind)));
    json_object_set_new(outcome, "error", terminal_text(err->text));
    json_object_set_new(outcome, "next_try_at", status_moment(next_try_s));
}

static void add_published(json_t *outcome, const struct cert *cert)
{
    const struct cert_published published = cert_published(cert);
    enum consumer_progress consumer = cert_consumer(cert);
    bool is_awaited = consumer == PROGRESS_FAILED && cert_failure(cert) == NULL;

    json_object_set_new(outcome, "serial", json_string(published.serial));
    json_object_set_new(outcome, "end", status_moment(published.end_s));
    json_object_set_new(outcome, "consumer",
                        json_string(is_awaited ? "awaited" : consumer_progress_name(consumer)));
}

static void add_trouble(json_t *outcome, const struct cert *cert)
{
    const struct err *failure = cert_failure(cert);
    const struct trouble *trouble = cert_trouble(cert);

    if (failure != NULL)
        add_failure(outcome, failure, trouble == NULL ? 0 : trouble->try_again_at_s);
}

static const char *tell_unmet(json_t *outcome, const struct cert *cert)
{
    bool is_fresh;

    add_failure(outcome, cert_unmet(cert, &is_fresh), 0);
    json_object_set_new(outcome, "fresh", json_boolean(is_fresh));
    return "unmet";
}

static const char *tell_answer(json_t *outcome, const struct cert *cert, enum cert_answer answer)
{
    switch (answer) {
    case CERT_RENEWED:
        add_published(outcome, cert);
        add_trouble(outcome, cert);
        return "renewed";
    case CERT_HELD:
        json_object_set_new(outcome, "until", status_moment(cert_held_until_s(cert)));
        return "held";
    case CERT_WITHDRAWN:
        return "withdrawn";
    case CERT_NOT_REPEATED:
        return tell_unmet(outcome, cert);
    case CERT_UNDER_WAY:
    case CERT_NOT_RENEWED:
    default:
        add_trouble(outcome, cert);
        return "failed";
    }
}

/* The result of a retry is what the certificate waits for now. */
static const char *tell_retried(json_t *outcome, const struct item *item, const struct cert *cert)
{
    add_published(outcome, cert);
    add_trouble(outcome, cert);
    json_object_set_new(outcome, "waited", json_boolean(item->waited));
    if (cert_issuance_state(cert) == ISSUANCE_WITHDRAWN)
        return "withdrawn";
    if (cert_failure(cert) == NULL)
        return "fine";
    return item->untried ? "untried" : "failed";
}

/* Returns the outcome's word; `cert` is NULL if the configuration does not have it any more. */
static const char *tell(json_t *outcome, const struct item *item, const struct cert *cert)
{
    const struct errand *errand = item->errand;

    if (item->revoked.serial[0] != '\0')
        json_object_set_new(outcome, "revoked", json_string(item->revoked.serial));
    if (item->failure.kind != ERR_NONE) {
        add_failure(outcome, &item->failure, 0);
        return "failed";
    }
    if (errand->kind == ERRAND_REVOKE && errand->withdraws)
        return "revoked";
    if (cert == NULL)
        return "gone";
    if (errand->kind == ERRAND_RETRY)
        return tell_retried(outcome, item, cert);
    return tell_answer(outcome, cert, cert_answer(cert, item->issued));
}

static void add_outcome(struct item *item, json_t *outcome)
{
    struct errand *errand = item->errand;

    item->settled = true;
    errand->settled++;
    /* Without memory for it, one is missing: the command's time limit ends its wait. */
    json_array_append_new(errand->outcomes, outcome);
}

static void settle(struct item *item, const struct cert *cert)
{
    struct errands *errands = item->errand->errands;
    json_t *outcome;

    /* What a revocation does to the certificate may have settled it already, by errands_note. */
    if (item->settled)
        return;
    outcome = json_pack("{s:s}", "cert", item->name);
    json_object_set_new(outcome, "result", json_string(tell(outcome, item, cert)));
    for (size_t i = 0; i < ERRANDS_MOST; i++) {
        struct errand *errand = &errands->places[i];
        struct item *other = errand->number == 0 ? NULL : find_item(errand, item->name);

        if (other != NULL && other->follows && !other->settled && !item->follows &&
            errand->kind == item->errand->kind)
            add_outcome(other, json_incref(outcome));
    }
    add_outcome(item, outcome);
    errands->on_changed(errands->arg);
}

static bool is_settled(const struct item *item, const struct cert *cert)
{
    if (item->follows || item->slot != NULL)
        return false;
    if (cert == NULL)
        return true;
    if (item->errand->kind == ERRAND_RETRY)
        return cert_has_retried(cert);
    return cert_answer(cert, item->issued) != CERT_UNDER_WAY;
}

static void look(struct item *item, const struct cert *cert)
{
    /* The errand that revokes it was forgotten, because nobody collected its outcome. */
    if (item->follows && find_other(item) == NULL) {
        item->follows = false;
        item->issued = cert == NULL ? 0 : cert_issued(cert);
    }
    if (!item->settled && is_settled(item, cert))
        settle(item, cert);
}

void errands_note(struct errands *errands, const struct cert *cert)
{
    for (size_t i = 0; errands != NULL && i < ERRANDS_MOST; i++) {
        struct errand *errand = &errands->places[i];
        struct item *item = errand->number == 0 || errand->settled == errand->count
                                ? NULL
                                : find_item(errand, cert_name(cert));

        if (item != NULL)
            look(item, cert);
    }
}

/* -- beginning ------------------------------------------------------------------------------------
 */

static void on_revoked(void *arg, const struct err *slot_err)
{
    struct item *item = arg;
    struct errand *errand = item->errand;
    struct cert *cert = engine_find(errand->errands->engine, item->name);

    item->failure = *slot_err;
    item->slot = slot_drop(item->slot);
    if (cert != NULL)
        item->issued = cert_issued(cert);
    /* If only the mark could not be written, the certificate is revoked all the same. */
    if (cert != NULL && item->revoked.serial[0] != '\0') {
        cert_take_mark(cert, item->revoked.generation,
                       errand->withdraws ? REVOCATION_FINAL : REVOCATION_REPLACED);
        if (!errand->withdraws)
            cert_ask(cert, true);
    }
    if (errand->withdraws || item->failure.kind != ERR_NONE)
        settle(item, cert);
    else
        look(item, cert);
}

static void begin_revocation(struct item *item, struct cert *cert)
{
    struct engine *engine = item->errand->errands->engine;

    item->follows = find_other(item) != NULL;
    if (item->follows)
        return;
    item->slot = revoke_set_start(&engine->tools, engine->config, cert_section(cert),
                                  item->errand->withdraws ? REVOCATION_FINAL : REVOCATION_REPLACED,
                                  &item->revoked, on_revoked, item, &item->failure);
    if (item->slot == NULL)
        settle(item, cert);
}

/* Starts an issuance, unless one runs that somebody else has asked for. */
static void begin_renewal(struct item *item, struct cert *cert, bool by_name)
{
    const struct item *other = find_other(item);

    item->issued = other == NULL ? cert_issued(cert) : other->issued;
    if (other == NULL)
        cert_ask(cert, by_name);
    look(item, cert);
}

static void begin(struct item *item, bool by_name)
{
    struct cert *cert;

    assert(item->errand != NULL);
    cert = engine_find(item->errand->errands->engine, item->name);
    switch (item->errand->kind) {
    case ERRAND_RENEW:
        begin_renewal(item, cert, by_name);
        break;
    case ERRAND_RETRY:
        item->waited = cert_trouble(cert) != NULL;
        item->untried = !cert_retry(cert) && cert_trouble(cert) != NULL;
        look(item, cert);
        break;
    case ERRAND_REVOKE:
        begin_revocation(item, cert);
        break;
    }
}

/* -- making and freeing ---------------------------------------------------------------------------
 */

static void forget(struct errand *errand)
{
    for (size_t i = 0; i < errand->count; i++) {
        slot_drop(errand->items[i].slot);
        free(errand->items[i].name);
    }
    free(errand->items);
    json_decref(errand->outcomes);
    *errand = (struct errand){0};
}

/* A revocation goes on, though nobody waits for it. */
static bool is_stale(const struct errand *errand, uint64_t now_us)
{
    if (errand->number == 0 || now_us - errand->told_us < ERRAND_KEPT_S * 1000000ULL)
        return errand->number == 0;
    for (size_t i = 0; i < errand->count; i++)
        if (errand->items[i].slot != NULL)
            return false;
    return true;
}

static struct errand *find_place(struct errands *errands)
{
    uint64_t now_us = clock_boot_us();

    for (size_t i = 0; i < ERRANDS_MOST; i++)
        if (is_stale(&errands->places[i], now_us)) {
            forget(&errands->places[i]);
            return &errands->places[i];
        }
    return NULL;
}

static bool add_item(struct errand *errand, const char *name, struct err *err)
{
    struct item *item = &errand->items[errand->count];

    *item = (struct item){.errand = errand, .name = strdup(name)};
    if (item->name == NULL)
        return err_memory(err);
    errand->count++;
    return true;
}

static bool add_named(struct errand *errand, const json_t *names, struct err *err)
{
    const struct engine *engine = errand->errands->engine;
    const json_t *name;
    size_t i;

    json_array_foreach (names, i, name) {
        const char *text = json_string_value(name);

        if (text == NULL || engine_find(engine, text) == NULL)
            return err_set(err, ERR_CONFIG,
                           "no certificate has the name %.128s; `leafd status` lists all, and "
                           "`leafd reload` applies a changed configuration",
                           text == NULL ? "that was given" : text);
        if (!add_item(errand, text, err))
            return false;
    }
    return true;
}

/* Nobody wants a thousand lines that say that nothing failed. */
static bool add_all(struct errand *errand, struct err *err)
{
    const struct engine *engine = errand->errands->engine;

    for (size_t i = 0; i < engine->count; i++)
        if ((errand->kind != ERRAND_RETRY || cert_trouble(engine->certs[i]) != NULL) &&
            !add_item(errand, cert_name(engine->certs[i]), err))
            return false;
    return true;
}

/* Sorts the items, and frees those that were named twice. */
static void sort(struct errand *errand)
{
    size_t kept = 0;

    if (errand->count > 1)
        qsort(errand->items, errand->count, sizeof *errand->items, compare_items);
    for (size_t i = 0; i < errand->count; i++)
        if (kept > 0 && strcmp(errand->items[kept - 1].name, errand->items[i].name) == 0)
            free(errand->items[i].name);
        else
            errand->items[kept++] = errand->items[i];
    errand->count = kept;
}

static bool fill(struct errand *errand, const struct errand_order *order, struct err *err)
{
    size_t most =
        order->names == NULL ? errand->errands->engine->count : json_array_size(order->names);

    errand->kind = order->kind;
    errand->withdraws = order->withdraws;
    errand->told_us = clock_boot_us();
    errand->outcomes = json_array();
    errand->items = calloc(most + 1, sizeof *errand->items);
    if (errand->items == NULL || errand->outcomes == NULL)
        return err_memory(err);
    if (order->names == NULL ? !add_all(errand, err) : !add_named(errand, order->names, err))
        return false;
    sort(errand);
    return true;
}

uint64_t errands_add(struct errands *errands, const struct errand_order *order, size_t *ret_count,
                     struct err *err)
{
    struct errand *errand = find_place(errands);

    if (errand == NULL) {
        err_set(err, ERR_LOCAL, "the agent works for %d other commands; try again later",
                ERRANDS_MOST);
        return 0;
    }
    errand->errands = errands;
    if (!fill(errand, order, err)) {
        forget(errand);
        return 0;
    }
    errand->number = ++errands->last;
    *ret_count = errand->count;
    for (size_t i = 0; i < errand->count; i++)
        begin(&errand->items[i], order->names != NULL);
    return errand->number;
}

/* -- telling --------------------------------------------------------------------------------------
 */

static struct errand *find(const struct errands *errands, uint64_t number)
{
    for (size_t i = 0; i < ERRANDS_MOST && number != 0; i++)
        if (errands->places[i].number == number)
            return (struct errand *)&errands->places[i];
    return NULL;
}

static json_t *tell_waiting(const struct errand *errand)
{
    json_t *list = json_array();

    for (size_t i = 0; i < errand->count && json_array_size(list) < WAITING_MOST; i++) {
        const struct item *item = &errand->items[i];
        const struct cert *cert = engine_find(errand->errands->engine, item->name);
        const char *doing = cert == NULL ? NULL : cert_doing(cert);

        if (item->slot != NULL || item->follows)
            doing = "being revoked";
        if (!item->settled)
            json_array_append_new(list, json_pack("{s:s, s:s}", "cert", item->name, "doing",
                                                  doing == NULL ? "waiting" : doing));
    }
    return list;
}

/* Those that were collected are not told again. */
static json_t *take_outcomes(struct errand *errand, size_t from)
{
    json_t *list = json_array();

    for (; errand->forgotten < from && json_array_size(errand->outcomes) > 0; errand->forgotten++)
        json_array_remove(errand->outcomes, 0);
    for (size_t i = 0; i < json_array_size(errand->outcomes) && i < ERRAND_OUTCOMES_MOST; i++)
        json_array_append(list, json_array_get(errand->outcomes, i));
    return list;
}

json_t *errands_tell(struct errands *errands, uint64_t number, size_t from)
{
    struct errand *errand = find(errands, number);
    json_t *outcomes;

    if (errand == NULL)
        return NULL;
    errand->told_us = clock_boot_us();
    /* A certificate may have left the configuration. */
    for (size_t i = 0; i < errand->count; i++)
        look(&errand->items[i], engine_find(errands->engine, errand->items[i].name));
    outcomes = take_outcomes(errand, from);
    if (json_array_size(outcomes) > 0)
        return json_pack("{s:I, s:I, s:o}", "count", (json_int_t)errand->count, "settled",
                         (json_int_t)errand->settled, "outcomes", outcomes);
    return json_pack("{s:I, s:I, s:o, s:o}", "count", (json_int_t)errand->count, "settled",
                     (json_int_t)errand->settled, "outcomes", outcomes, "waiting",
                     tell_waiting(errand));
}

bool errands_has(const struct errands *errands, uint64_t number, size_t from)
{
    const struct errand *errand = find(errands, number);

    return errand == NULL || errand->settled == errand->count || errand->settled > from;
}

bool errands_open(struct engine *engine, errands_changed *on_changed, void *arg,
                  struct errands **ret_errands, struct err *err)
{
    struct errands *errands = calloc(1, sizeof *errands);

    if (errands == NULL)
        return err_memory(err);
    errands->engine = engine;
    errands->on_changed = on_changed;
    errands->arg = arg;
    *ret_errands = errands;
    return true;
}

void errands_close(struct errands *errands)
{
    if (errands == NULL)
        return;
    for (size_t i = 0; i < ERRANDS_MOST; i++)
        forget(&errands->places[i]);
    free(errands);
}
