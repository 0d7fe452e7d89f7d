#include "ca/ca_watch.h"

#include "base/event.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "ca/vault_ca.h"
#include "plan/ca_news.h"

#include <stdlib.h>
#include <string.h>

enum {
    ISSUER_ID_BYTES = 64,
    ISSUERS_MOST = 64,            /* of a mount, among which the one that signed ours is sought */
    LIST_BYTES_A_LOOK = 8 * 1024, /* of a revocation list, on average */
    LOOKS_WITHOUT_LIST_MOST = 20,
    FAILURES_UNTOLD = 3 /* looks in a row that may fail for a while before it is told */
};

/* What is looked for, in turn. */
enum aim { AIM_ISSUER, AIM_OWN, AIM_COUNT };

/* How the looks for it went. */
struct luck {
    unsigned failures; /* in a row */
    bool told;
};

/* A place with its schedule and what is known of it. */
struct site {
    struct site *next;
    struct ca_place place; /* texts of our own */
    uint64_t next_us;      /* on the boot clock */
    unsigned failures;     /* looks in a row, whatever they look for */
    enum aim aim;
    struct luck luck[AIM_COUNT];

    char named[KEY_IDENTIFIER_BYTES], settled[KEY_IDENTIFIER_BYTES];
    unsigned in_a_row;
    uint64_t since_s; /* the CA's time of the last look at the issuer */

    char list_key[KEY_IDENTIFIER_BYTES]; /* of the issuer whose id is known */
    char list_id[ISSUER_ID_BYTES];
    unsigned looks_without_list; /* still to come */
};

struct ca_watch {
    struct http_loop *http;
    struct config *config;
    struct ca_watch_listener listener;
    sd_event_source *timer;
    struct site *sites;

    struct site *at; /* the look under way; NULL: none */
    struct slot *slot;
    struct vault_reply reply, issuers;
    struct vault_reply list; /* of this look: of the issuer that site->list_key names */
    bool skips_list;         /* this look does without one */
    bool failed_in_part;     /* one of our certificates could not be told about */
    size_t number, issuer;   /* of the certificate and the issuer asked about */
    struct ca_own own;
    bool unsure;
};

struct ca_place ca_place_of(const struct cert_config *cert)
{
    return (struct ca_place){.mount = cert->pki_mount, .issuer = cert->issuer};
}

bool ca_place_is(const struct ca_place *a, const struct ca_place *b)
{
    bool same_issuer = a->issuer == NULL || b->issuer == NULL ? a->issuer == b->issuer
                                                              : strcmp(a->issuer, b->issuer) == 0;

    return same_issuer && strcmp(a->mount, b->mount) == 0;
}

/* -- the schedule ---------------------------------------------------------------------------------
 */

static uint64_t poll_s(const struct ca_watch *watch, const struct site *site)
{
    return ca_news_poll_s(watch->config->agent.ca_poll_s,
                          watch->listener.life_s(watch->listener.arg, &site->place));
}

static void arm(const struct ca_watch *watch)
{
    uint64_t next_us = UINT64_MAX;

    for (const struct site *site = watch->sites; site != NULL; site = site->next)
        next_us = site->next_us < next_us ? site->next_us : next_us;
    if (watch->at != NULL || next_us == UINT64_MAX || watch->config->agent.ca_poll_s == 0) {
        sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
        return;
    }
    sd_event_source_set_time(watch->timer, next_us);
    sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

static uint64_t draw_next_us(const struct ca_watch *watch, const struct site *site, bool unsure)
{
    const struct ca_wait wait = {
        .poll_s = poll_s(watch, site), .failures = site->failures, .unsure = unsure};

    return clock_boot_us() + ca_news_wait_ms(&wait, random_draw()) * 1000;
}

static void end_request(struct ca_watch *watch)
{
    watch->slot = slot_drop(watch->slot);
    vault_reply_free(&watch->reply);
}

static const char *const aim_texts[] = {
    [AIM_ISSUER] = "there is another issuer at",
    [AIM_OWN] = "a certificate was revoked by",
};

static void note_success(struct site *site)
{
    struct luck *luck = &site->luck[site->aim];

    if (luck->told)
        event_emit(&(struct event){.kind = EVENT_ADVICE, .level = LOG_LEVEL_INFO},
                   "can see again whether %s %s", aim_texts[site->aim], site->place.mount);
    *luck = (struct luck){0};
}

/*
 * A CA that does not answer for a while is told of where certificates are asked for; here it is a
 * detail. What keeps the looks from succeeding is told once.
 */
static void note_failure(struct site *site, const struct err *err)
{
    struct luck *luck = &site->luck[site->aim];
    bool stays =
        (err->kind != ERR_TRANSIENT && err->kind != ERR_LOCAL) || luck->failures >= FAILURES_UNTOLD;

    event_emit(&(struct event){.kind = EVENT_ADVICE,
                               .level = stays && !luck->told ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG},
               "cannot see whether %s %s: %s", aim_texts[site->aim], site->place.mount, err->text);
    luck->told |= stays;
}

static void drop_replies(struct ca_watch *watch)
{
    end_request(watch);
    vault_reply_free(&watch->issuers);
    vault_reply_free(&watch->list);
}

static void end_look(struct ca_watch *watch, bool well)
{
    struct site *site = watch->at;

    drop_replies(watch);
    watch->at = NULL;
    if (well && !watch->failed_in_part)
        note_success(site);
    else
        site->luck[site->aim].failures++;
    site->failures = well ? 0 : site->failures + 1;
    site->next_us = draw_next_us(watch, site, watch->unsure);
    /* One that always fails does not keep the other from being looked for. */
    if (!watch->unsure)
        site->aim = site->aim == AIM_ISSUER ? AIM_OWN : AIM_ISSUER;
    arm(watch);
}

static void fail_look(struct ca_watch *watch, const struct err *err)
{
    note_failure(watch->at, err);
    end_look(watch, false);
}

static void ask_next_own(struct ca_watch *watch);

/* One that cannot be told about does not keep the others from being asked about. */
static void fail_own(struct ca_watch *watch, const struct err *err)
{
    if (err->kind == ERR_TRANSIENT || err->kind == ERR_LOCAL) {
        fail_look(watch, err);
        return;
    }
    note_failure(watch->at, err);
    watch->failed_in_part = true;
    ask_next_own(watch);
}

/* The request is under way, or the look has failed. */
static void go_on_if(struct ca_watch *watch, struct slot *slot, const struct err *err)
{
    watch->slot = slot;
    if (slot == NULL)
        fail_look(watch, err);
}

static struct vault_client client_of(const struct ca_watch *watch)
{
    return (struct vault_client){.http = watch->http, .config = watch->config};
}

/* -- who is named as issuer -----------------------------------------------------------------------
 */

static bool read_issuer(const struct vault_reply *reply, char to[static KEY_IDENTIFIER_BYTES],
                        struct err *err)
{
    const char *pem = vault_ca_certificate(reply);
    struct certificate_facts facts = {0};
    uint64_t now_s = clock_now_s();
    struct arena arena = {0};
    bool read = pem == NULL ? err_set(err, ERR_UNTRUSTED, "the reply holds no certificate")
                            : certificate_read(pem, &arena, &facts, err);

    if (read && (now_s < facts.validity.not_before || now_s >= facts.validity.not_after))
        read = err_set(err, ERR_UNTRUSTED, "the issuer's certificate is not valid now");
    if (read)
        memcpy(to, facts.subject_key, KEY_IDENTIFIER_BYTES);
    arena_free(&arena);
    return read;
}

/* Counts the look; whether it makes an issuer certain that was not before. */
static bool note_named(struct site *site, const char key[static KEY_IDENTIFIER_BYTES])
{
    bool is_new;

    site->in_a_row = strcmp(site->named, key) == 0 ? site->in_a_row + 1 : 1;
    memcpy(site->named, key, sizeof site->named);
    if (site->settled[0] == '\0')
        memcpy(site->settled, key, sizeof site->settled);
    is_new = strcmp(site->settled, key) != 0 && site->in_a_row >= CA_NEWS_IN_A_ROW;
    if (is_new)
        memcpy(site->settled, key, sizeof site->settled);
    return is_new;
}

static void on_issuer(void *arg, const struct err *issuer_err)
{
    struct ca_watch *watch = arg;
    struct site *site = watch->at;
    struct ca_named named = {.key = site->named};
    char key[KEY_IDENTIFIER_BYTES];
    struct err err = *issuer_err;

    if (err.kind == ERR_NONE && watch->reply.status == 304)
        memcpy(key, site->named, sizeof key);
    else if (err.kind != ERR_NONE || !read_issuer(&watch->reply, key, &err)) {
        fail_look(watch, &err);
        return;
    }
    site->since_s = watch->reply.date_s;
    named.is_new = note_named(site, key);
    named.in_a_row = site->in_a_row;
    watch->unsure = watch->listener.on_issuer(watch->listener.arg, &site->place, &named) ||
                    strcmp(site->named, site->settled) != 0;
    end_look(watch, true);
}

/* -- revocation lists, for what the CA has not stored ---------------------------------------------
 */

/* One list tells about every certificate of its issuer, so each look fetches it once. */
static void use_list(struct ca_watch *watch)
{
    const char *pem = vault_ca_list(&watch->list);

    if (pem != NULL)
        watch->listener.on_list(watch->listener.arg, &watch->own, pem);
    ask_next_own(watch);
}

static void on_list(void *arg, const struct err *err)
{
    struct ca_watch *watch = arg;
    struct site *site = watch->at;
    const char *pem = err->kind == ERR_NONE ? vault_ca_list(&watch->reply) : NULL;
    size_t looks = pem == NULL ? 0 : strlen(pem) / LIST_BYTES_A_LOOK;

    if (err->kind != ERR_NONE) {
        fail_own(watch, err);
        return;
    }
    if (looks > LOOKS_WITHOUT_LIST_MOST)
        looks = LOOKS_WITHOUT_LIST_MOST;
    if (looks > site->looks_without_list)
        site->looks_without_list = (unsigned)looks;
    watch->list = watch->reply;
    watch->reply = (struct vault_reply){0};
    use_list(watch);
}

static void ask_list(struct ca_watch *watch, const char *issuer)
{
    const struct vault_client client = client_of(watch);
    struct err err;

    end_request(watch);
    vault_reply_free(&watch->list);
    go_on_if(watch,
             vault_ca_list_start(&client, watch->at->place.mount, issuer, &watch->reply, on_list,
                                 watch, &err),
             &err);
}

static void on_one_of_issuers(void *arg, const struct err *err);

static void ask_next_issuer(struct ca_watch *watch)
{
    const char *id =
        watch->issuer < ISSUERS_MOST ? vault_ca_issuer_id(&watch->issuers, watch->issuer++) : NULL;
    const struct vault_client client = client_of(watch);
    struct err err;

    end_request(watch);
    if (id == NULL) {
        err_set(&err, ERR_REFUSED,
                "the CA has not stored the certificate (no_store) and lists no issuer that signed "
                "it");
        fail_own(watch, &err);
        return;
    }
    go_on_if(watch,
             vault_ca_issuer_start(&client, watch->at->place.mount, id, 0, &watch->reply,
                                   on_one_of_issuers, watch, &err),
             &err);
}

static void on_one_of_issuers(void *arg, const struct err *err)
{
    struct ca_watch *watch = arg;
    struct site *site = watch->at;
    char key[KEY_IDENTIFIER_BYTES];
    struct err why;

    if (err->kind == ERR_NONE && read_issuer(&watch->reply, key, &why) &&
        strcmp(key, watch->own.authority_key) == 0) {
        memcpy(site->list_key, key, sizeof site->list_key);
        snprintf(site->list_id, sizeof site->list_id, "%s",
                 vault_ca_issuer_id(&watch->issuers, watch->issuer - 1));
        ask_list(watch, site->list_id);
        return;
    }
    ask_next_issuer(watch);
}

static void on_issuers(void *arg, const struct err *err)
{
    struct ca_watch *watch = arg;

    if (err->kind != ERR_NONE) {
        fail_own(watch, err);
        return;
    }
    watch->issuers = watch->reply;
    watch->reply = (struct vault_reply){0};
    watch->issuer = 0;
    ask_next_issuer(watch);
}

/* The issuer that signed ours may be another one than the CA names. */
static void find_list(struct ca_watch *watch)
{
    const struct site *site = watch->at;
    const struct vault_client client = client_of(watch);
    bool has_list = vault_ca_list(&watch->list) != NULL;
    struct err err;

    if (watch->skips_list) {
        ask_next_own(watch);
    } else if (has_list && strcmp(site->list_key, watch->own.authority_key) == 0) {
        use_list(watch);
    } else if (strcmp(site->list_key, watch->own.authority_key) == 0) {
        ask_list(watch, site->list_id);
    } else {
        end_request(watch);
        vault_reply_free(&watch->issuers);
        go_on_if(watch,
                 vault_ca_issuers_start(&client, site->place.mount, &watch->reply, on_issuers,
                                        watch, &err),
                 &err);
    }
}

/* -- our own serial numbers -----------------------------------------------------------------------
 */

static void on_own(void *arg, const struct err *err)
{
    struct ca_watch *watch = arg;

    if (err->http_status == 404 || err->http_status == 400) {
        find_list(watch);
    } else if (err->kind != ERR_NONE) {
        fail_own(watch, err);
    } else {
        if (vault_ca_is_revoked(&watch->reply))
            watch->listener.on_revoked(watch->listener.arg, &watch->own);
        ask_next_own(watch);
    }
}

static void ask_next_own(struct ca_watch *watch)
{
    struct site *site = watch->at;
    const struct vault_client client = client_of(watch);
    struct err err;

    end_request(watch);
    if (!watch->listener.give_own(watch->listener.arg, &site->place, watch->number++,
                                  &watch->own)) {
        end_look(watch, true);
        return;
    }
    go_on_if(watch,
             vault_ca_own_start(&client, site->place.mount, watch->own.serial, &watch->reply,
                                on_own, watch, &err),
             &err);
}

/* -- one look after the other ---------------------------------------------------------------------
 */

static void look(struct ca_watch *watch, struct site *site)
{
    const struct vault_client client = client_of(watch);
    struct err err;

    watch->at = site;
    watch->number = 0;
    watch->unsure = watch->failed_in_part = false;
    if (site->aim == AIM_OWN) {
        watch->skips_list = site->looks_without_list > 0;
        site->looks_without_list -= watch->skips_list;
        ask_next_own(watch);
    } else {
        go_on_if(watch,
                 vault_ca_issuer_start(&client, site->place.mount, site->place.issuer,
                                       site->since_s, &watch->reply, on_issuer, watch, &err),
                 &err);
    }
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct ca_watch *watch = arg;
    struct site *due = NULL;

    (void)source;
    for (struct site *site = watch->sites; site != NULL; site = site->next)
        if (site->next_us <= now_us && (due == NULL || site->next_us < due->next_us))
            due = site;
    if (due == NULL)
        arm(watch);
    else
        look(watch, due);
    return 0;
}

static void free_site(struct site *site)
{
    free((char *)site->place.mount);
    free((char *)site->place.issuer);
    free(site);
}

static struct site *find(const struct ca_watch *watch, const struct ca_place *place)
{
    for (struct site *site = watch->sites; site != NULL; site = site->next)
        if (ca_place_is(&site->place, place))
            return site;
    return NULL;
}

static bool add(struct ca_watch *watch, const struct ca_place *place, struct err *err)
{
    struct site *site = calloc(1, sizeof *site);

    if (site == NULL)
        return err_memory(err);
    site->place.mount = strdup(place->mount);
    site->place.issuer = place->issuer == NULL ? NULL : strdup(place->issuer);
    if (site->place.mount == NULL || (place->issuer != NULL && site->place.issuer == NULL)) {
        free_site(site);
        return err_memory(err);
    }
    /* Agents that start together do not look together. */
    site->next_us = clock_boot_us() + ca_news_first_ms(poll_s(watch, site), random_draw()) * 1000;
    site->next = watch->sites;
    watch->sites = site;
    return true;
}

static bool is_wanted(const struct config *config, const struct site *site)
{
    for (size_t i = 0; i < config->cert_count; i++) {
        const struct ca_place place = ca_place_of(&config->certs[i]);

        if (ca_place_is(&place, &site->place))
            return true;
    }
    return false;
}

/* Another ca_poll may have it sooner; what is due stays due. */
static void keep_due(const struct ca_watch *watch, struct site *site)
{
    uint64_t next_us = clock_boot_us() + poll_s(watch, site) * 9 / 8 * 1000000;

    if (site->next_us > next_us)
        site->next_us = next_us;
    for (size_t i = 0; i < AIM_COUNT; i++)
        site->luck[i].told = false;
}

bool ca_watch_use(struct ca_watch *watch, struct config *config, struct err *err)
{
    struct site **at = &watch->sites;
    /* What one CA named says nothing of another. */
    bool same = watch->config != NULL &&
                strcmp(watch->config->vault.address, config->vault.address) == 0 &&
                text_equal(watch->config->vault.namespace, config->vault.namespace);
    bool added = true;

    /* A look under way is begun again: its texts are of the old configuration. */
    drop_replies(watch);
    watch->at = NULL;
    config_ref(config);
    config_unref(watch->config);
    watch->config = config;
    while (*at != NULL) {
        struct site *site = *at;

        if (same && is_wanted(config, site)) {
            keep_due(watch, site);
            at = &site->next;
        } else {
            *at = site->next;
            free_site(site);
        }
    }
    for (size_t i = 0; added && i < config->cert_count; i++) {
        const struct ca_place place = ca_place_of(&config->certs[i]);

        added = find(watch, &place) != NULL || add(watch, &place, err);
    }
    arm(watch);
    return added;
}

struct ca_watch *ca_watch_new(struct http_loop *http, struct config *config,
                              const struct ca_watch_listener *listener, struct err *err)
{
    struct ca_watch *watch = calloc(1, sizeof *watch);
    int r;

    if (watch == NULL) {
        err_memory(err);
        return NULL;
    }
    watch->http = http;
    watch->listener = *listener;
    r = sd_event_add_time(http_loop_event(http), &watch->timer, CLOCK_BOOTTIME, 0, 0, on_timer,
                          watch);
    if (r < 0)
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    else
        sd_event_source_set_description(watch->timer, "look at the CA");
    if (r < 0 || !ca_watch_use(watch, config, err)) {
        ca_watch_free(watch);
        return NULL;
    }
    return watch;
}

const char *ca_watch_named(const struct ca_watch *watch, const struct ca_place *place)
{
    const struct site *site = watch == NULL ? NULL : find(watch, place);

    return site == NULL ? "" : site->named;
}

void ca_watch_free(struct ca_watch *watch)
{
    if (watch == NULL)
        return;
    drop_replies(watch);
    sd_event_source_disable_unref(watch->timer);
    while (watch->sites != NULL) {
        struct site *site = watch->sites;

        watch->sites = site->next;
        free_site(site);
    }
    config_unref(watch->config);
    free(watch);
}
