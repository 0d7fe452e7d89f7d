#include "ca/ca_watch.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "ca/vault_look.h"
#include "plan/ca_news.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { FAILURES_UNTOLD = 3 /* transient failures in a row before an event */ };

/* The questions of a poll, alternately. */
enum aim { AIM_ISSUER, AIM_OWN, AIM_COUNT };

/* The results of the polls for one question. */
struct luck {
    unsigned failures; /* in a row */
    bool told;
};

/* Which issuer: of a mount, by reference, or the default one if that is NULL. */
struct place {
    const char *mount, *issuer;
};

/* A place with its schedule, its certificates and the results of its polls. */
struct ca_site {
    struct place place; /* first; texts of our own */
    TAILQ_HEAD(ca_interests, ca_interest) certs;
    TAILQ_ENTRY(ca_site) entry;
    uint64_t life_s;   /* the shortest lifetime of its certificates; 0: not known */
    uint64_t next_us;  /* on the boot clock */
    bool was_seen;     /* it was polled at least once */
    unsigned failures; /* failed polls in a row, of either question */
    enum aim aim;
    struct luck luck[AIM_COUNT];

    char named[KEY_IDENTIFIER_BYTES], confirmed[KEY_IDENTIFIER_BYTES];
    unsigned in_a_row;
    uint64_t since_s; /* the CA's time of the last poll of the issuer */
    struct vault_lists lists;
};

struct ca_watch {
    struct http_loop *http;
    struct config *config;
    struct ca_watch_listener listener;
    sd_event_source *timer;
    TAILQ_HEAD(ca_sites, ca_site) sites;
    void *by_place; /* the same, for tsearch() */

    struct ca_site *at; /* the poll under way; NULL: none */
    struct slot *slot;
    struct vault_named named;
    struct vault_own answer;
    bool failed_in_part;              /* the state of one certificate could not be read */
    struct ca_interest *asked, *next; /* the certificate in question, and the next one */
    struct ca_own own;
    bool unsure;
};

/* -- the schedule ---------------------------------------------------------------------------------
 */

static uint64_t poll_s(const struct ca_watch *watch, const struct ca_site *site)
{
    return ca_news_poll_s(watch->config->agent.ca_poll_s, site->life_s);
}

/* Arms the timer, but not later than it is armed for already. */
static void arm_for(const struct ca_watch *watch, uint64_t next_us)
{
    int enabled = SD_EVENT_OFF;
    uint64_t armed_us = UINT64_MAX;

    if (watch->at != NULL || watch->config->agent.ca_poll_s == 0)
        return;
    sd_event_source_get_enabled(watch->timer, &enabled);
    if (enabled != SD_EVENT_OFF)
        sd_event_source_get_time(watch->timer, &armed_us);
    if (next_us >= armed_us)
        return;
    sd_event_source_set_time(watch->timer, next_us);
    sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

static void arm(const struct ca_watch *watch)
{
    const struct ca_site *site;
    uint64_t next_us = UINT64_MAX;

    sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
    TAILQ_FOREACH(site, &watch->sites, entry)
    next_us = site->next_us < next_us ? site->next_us : next_us;
    arm_for(watch, next_us);
}

static uint64_t shorter(uint64_t life_s, uint64_t other_s)
{
    return life_s == 0 || (other_s != 0 && other_s < life_s) ? other_s : life_s;
}

static void take_lives(const struct ca_watch *watch, struct ca_site *site)
{
    const struct ca_interest *interest;

    site->life_s = 0;
    TAILQ_FOREACH(interest, &site->certs, entry)
    site->life_s = shorter(site->life_s, watch->listener.life_s(interest->cert));
}

static uint64_t draw_next_us(const struct ca_watch *watch, struct ca_site *site, bool unsure)
{
    struct ca_wait wait = {.failures = site->failures, .unsure = unsure};

    take_lives(watch, site);
    wait.poll_s = poll_s(watch, site);
    return clock_boot_us() + ca_news_wait_ms(&wait, random_draw()) * 1000;
}

/* A random first poll: agents that start together do not poll together. */
static void draw_first(const struct ca_watch *watch, struct ca_site *site)
{
    site->next_us = clock_boot_us() + ca_news_first_ms(poll_s(watch, site), random_draw()) * 1000;
}

/* -- how a look ends ------------------------------------------------------------------------------
 */

static const char *const aim_texts[] = {
    [AIM_ISSUER] = "there is another issuer at",
    [AIM_OWN] = "a certificate was revoked by",
};

static void note_success(struct ca_site *site)
{
    struct luck *luck = &site->luck[site->aim];

    if (luck->told)
        event_emit(&(struct event){.kind = EVENT_ADVICE, .level = LOG_LEVEL_INFO},
                   "can see again whether %s %s", aim_texts[site->aim], site->place.mount);
    *luck = (struct luck){0};
}

/*
 * An outage is reported when certificates are requested; here it is only a debug line. A persistent
 * cause of failed polls is reported once.
 */
static void note_failure(struct ca_site *site, const struct err *err)
{
    struct luck *luck = &site->luck[site->aim];
    bool stays =
        (err->kind != ERR_TRANSIENT && err->kind != ERR_LOCAL) || luck->failures >= FAILURES_UNTOLD;

    if (stays && !luck->told)
        event_emit(&(struct event){.kind = EVENT_ADVICE}, "cannot see whether %s %s: %s",
                   aim_texts[site->aim], site->place.mount, err->text);
    else
        log_detail(NULL, "cannot see whether %s %s: %s", aim_texts[site->aim], site->place.mount,
                   err->text);
    luck->told |= stays;
}

static void drop_look(struct ca_watch *watch)
{
    watch->slot = slot_drop(watch->slot);
    watch->asked = watch->next = NULL;
    if (watch->at != NULL)
        vault_lists_end(&watch->at->lists);
    watch->at = NULL;
}

static void end_look(struct ca_watch *watch, bool well)
{
    struct ca_site *site = watch->at;

    drop_look(watch);
    if (well && !watch->failed_in_part)
        note_success(site);
    else
        site->luck[site->aim].failures++;
    site->was_seen = true;
    site->failures = well ? 0 : site->failures + 1;
    site->next_us = draw_next_us(watch, site, watch->unsure);
    /* A question that always fails does not keep the other one from being asked. */
    if (!watch->unsure)
        site->aim = site->aim == AIM_ISSUER ? AIM_OWN : AIM_ISSUER;
    arm(watch);
}

static void fail_look(struct ca_watch *watch, const struct err *err)
{
    note_failure(watch->at, err);
    end_look(watch, false);
}

/* Goes on with the request, or ends the poll if it could not start. */
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

/* Counts the poll; true if it confirms a new issuer. */
static bool note_named(struct ca_site *site, const char key[static KEY_IDENTIFIER_BYTES])
{
    bool is_new;

    site->in_a_row = strcmp(site->named, key) == 0 ? site->in_a_row + 1 : 1;
    memcpy(site->named, key, sizeof site->named);
    if (site->confirmed[0] == '\0')
        memcpy(site->confirmed, key, sizeof site->confirmed);
    is_new = strcmp(site->confirmed, key) != 0 && site->in_a_row >= CA_NEWS_IN_A_ROW;
    if (is_new)
        memcpy(site->confirmed, key, sizeof site->confirmed);
    return is_new;
}

/* The callback may move the certificate to another place, or remove it. */
static bool tell_named(struct ca_watch *watch, struct ca_site *site,
                       const struct ca_named_issuer *named)
{
    bool unsure = strcmp(site->named, site->confirmed) != 0;

    for (struct ca_interest *at = TAILQ_FIRST(&site->certs); at != NULL; at = watch->next) {
        watch->next = TAILQ_NEXT(at, entry);
        unsure |= watch->listener.on_issuer(at->cert, named);
    }
    return unsure;
}

static void on_named(void *arg, const struct err *named_err)
{
    struct ca_watch *watch = arg;
    struct ca_site *site = watch->at;
    struct ca_named_issuer named = {0};
    char key[KEY_IDENTIFIER_BYTES];
    const struct err err = *named_err;

    watch->slot = slot_drop(watch->slot);
    if (err.kind != ERR_NONE) {
        fail_look(watch, &err);
        return;
    }
    memcpy(key, watch->named.is_unchanged ? site->named : watch->named.key, sizeof key);
    site->since_s = watch->named.date_s;
    named.is_new = note_named(site, key);
    named.in_a_row = site->in_a_row;
    named.key = key;
    watch->unsure = tell_named(watch, site, &named);
    if (watch->at != NULL)
        end_look(watch, true);
}

/* -- our own serial numbers -----------------------------------------------------------------------
 */

static void ask_next_own(struct ca_watch *watch);

/* A certificate whose state cannot be read does not keep the others from being polled. */
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

static void on_own(void *arg, const struct err *own_err)
{
    struct ca_watch *watch = arg;
    const struct vault_own answer = watch->answer;
    const struct err err = *own_err;

    watch->slot = slot_drop(watch->slot);
    if (err.kind != ERR_NONE) {
        fail_own(watch, &err);
        return;
    }
    if (watch->asked != NULL && answer.is_revoked)
        watch->listener.on_revoked(watch->asked->cert, watch->own.serial);
    else if (watch->asked != NULL && answer.list != NULL)
        watch->listener.on_list(watch->asked->cert, watch->own.serial, answer.list);
    if (watch->at != NULL)
        ask_next_own(watch);
}

static void ask_next_own(struct ca_watch *watch)
{
    struct ca_site *site = watch->at;
    const struct vault_client client = client_of(watch);
    struct err err;

    do {
        watch->asked = watch->next;
        if (watch->asked == NULL) {
            end_look(watch, true);
            return;
        }
        watch->next = TAILQ_NEXT(watch->asked, entry);
    } while (!watch->listener.give_own(watch->asked->cert, &watch->own));
    go_on_if(watch,
             vault_own_start(&client, &site->lists, site->place.mount, &watch->own, &watch->answer,
                             on_own, watch, &err),
             &err);
}

/* -- one look after the other ---------------------------------------------------------------------
 */

static void look(struct ca_watch *watch, struct ca_site *site)
{
    const struct vault_client client = client_of(watch);
    struct err err;

    watch->at = site;
    watch->unsure = watch->failed_in_part = false;
    if (site->aim == AIM_OWN) {
        vault_lists_begin(&site->lists);
        watch->next = TAILQ_FIRST(&site->certs);
        ask_next_own(watch);
    } else {
        go_on_if(watch,
                 vault_named_start(&client, site->place.mount, site->place.issuer, site->since_s,
                                   &watch->named, on_named, watch, &err),
                 &err);
    }
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct ca_watch *watch = arg;
    struct ca_site *due = NULL, *site;

    (void)source;
    TAILQ_FOREACH(site, &watch->sites, entry)
    if (site->next_us <= now_us && (due == NULL || site->next_us < due->next_us))
        due = site;
    if (due == NULL)
        arm(watch);
    else
        look(watch, due);
    return 0;
}

/* -- places and who comes from there --------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    const struct place *one = a, *other = b;
    int difference = strcmp(one->mount, other->mount);

    if (difference != 0)
        return difference;
    if (one->issuer == NULL || other->issuer == NULL)
        return (one->issuer != NULL) - (other->issuer != NULL);
    return strcmp(one->issuer, other->issuer);
}

static void free_site(struct ca_site *site)
{
    vault_lists_end(&site->lists);
    free((char *)site->place.mount);
    free((char *)site->place.issuer);
    free(site);
}

static struct ca_site *add_site(struct ca_watch *watch, const struct place *place)
{
    struct ca_site *site = calloc(1, sizeof *site);

    if (site == NULL)
        return NULL;
    TAILQ_INIT(&site->certs);
    site->place.mount = strdup(place->mount);
    site->place.issuer = place->issuer == NULL ? NULL : strdup(place->issuer);
    if (site->place.mount == NULL || (place->issuer != NULL && site->place.issuer == NULL) ||
        tsearch(site, &watch->by_place, compare) == NULL) {
        free_site(site);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&watch->sites, site, entry);
    return site;
}

static struct ca_site *site_of(struct ca_watch *watch, const struct cert_config *section)
{
    const struct place place = {.mount = section->pki_mount, .issuer = section->issuer};
    struct ca_site **found = tfind(&place, &watch->by_place, compare);

    return found != NULL ? *found : add_site(watch, &place);
}

static void forget_unused(struct ca_watch *watch, struct ca_site *site)
{
    if (!TAILQ_EMPTY(&site->certs))
        return;
    if (watch->at == site) {
        drop_look(watch);
        arm(watch);
    }
    tdelete(site, &watch->by_place, compare);
    TAILQ_REMOVE(&watch->sites, site, entry);
    free_site(site);
}

/* A shorter lifetime may bring the first poll forward. */
static void take_life(struct ca_watch *watch, struct ca_site *site, uint64_t life_s)
{
    uint64_t before_s = poll_s(watch, site);
    bool is_first = TAILQ_EMPTY(&site->certs);

    site->life_s = shorter(site->life_s, life_s);
    if (!is_first && (site->was_seen || poll_s(watch, site) == before_s))
        return;
    draw_first(watch, site);
    arm_for(watch, site->next_us);
}

bool ca_watch_join(struct ca_watch *watch, const struct cert_config *section, void *cert,
                   struct ca_interest *interest, struct err *err)
{
    struct ca_site *site = site_of(watch, section);

    if (site == NULL) {
        ca_watch_leave(watch, interest);
        return err_memory(err);
    }
    if (interest->site == site)
        return true;
    take_life(watch, site, watch->listener.life_s(cert));
    ca_watch_leave(watch, interest);
    *interest = (struct ca_interest){.site = site, .cert = cert};
    TAILQ_INSERT_TAIL(&site->certs, interest, entry);
    return true;
}

void ca_watch_leave(struct ca_watch *watch, struct ca_interest *interest)
{
    struct ca_site *site = interest->site;

    if (site == NULL)
        return;
    if (watch->next == interest)
        watch->next = TAILQ_NEXT(interest, entry);
    if (watch->asked == interest)
        watch->asked = NULL;
    TAILQ_REMOVE(&site->certs, interest, entry);
    *interest = (struct ca_interest){0};
    forget_unused(watch, site);
}

const char *ca_watch_named(const struct ca_interest *interest)
{
    return interest->site == NULL ? "" : interest->site->named;
}

/* -- all of it ------------------------------------------------------------------------------------
 */

/* Another ca_poll may bring the poll forward; it never delays one that is due. */
static void keep_due(const struct ca_watch *watch, struct ca_site *site)
{
    uint64_t next_us = clock_boot_us() + poll_s(watch, site) * 9 / 8 * 1000000;

    if (site->next_us > next_us)
        site->next_us = next_us;
    for (size_t i = 0; i < AIM_COUNT; i++)
        site->luck[i].told = false;
}

/* Results of one CA do not apply to another. */
static void forget(const struct ca_watch *watch, struct ca_site *site)
{
    site->was_seen = false;
    site->failures = site->in_a_row = 0;
    site->aim = AIM_ISSUER;
    site->since_s = 0;
    site->named[0] = site->confirmed[0] = '\0';
    memset(site->luck, 0, sizeof site->luck);
    vault_lists_end(&site->lists);
    site->lists = (struct vault_lists){0};
    draw_first(watch, site);
}

void ca_watch_use(struct ca_watch *watch, struct config *config)
{
    bool same = strcmp(watch->config->vault.address, config->vault.address) == 0 &&
                text_equal(watch->config->vault.namespace, config->vault.namespace);
    struct ca_site *site;

    /* The poll under way uses the old configuration: start it again. */
    drop_look(watch);
    config_ref(config);
    config_unref(watch->config);
    watch->config = config;
    TAILQ_FOREACH(site, &watch->sites, entry)
    {
        if (same)
            keep_due(watch, site);
        else
            forget(watch, site);
    }
    arm(watch);
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
    TAILQ_INIT(&watch->sites);
    watch->http = http;
    watch->config = config_ref(config);
    watch->listener = *listener;
    r = sd_event_add_time(http_loop_event(http), &watch->timer, CLOCK_BOOTTIME, 0, 0, on_timer,
                          watch);
    if (r < 0) {
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
        ca_watch_free(watch);
        return NULL;
    }
    sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
    sd_event_source_set_description(watch->timer, "look at the CA");
    return watch;
}

void ca_watch_free(struct ca_watch *watch)
{
    if (watch == NULL)
        return;
    drop_look(watch);
    sd_event_source_disable_unref(watch->timer);
    config_unref(watch->config);
    free(watch);
}
