#include "flow/ca_watch.h"

#include "base/chance.h"
#include "base/log.h"
#include "vault/vault_ca.h"

#include <stdlib.h>
#include <string.h>

struct ca_watch {
    struct http_loop *http;
    struct config *config;
    struct ca_watch_listener listener;
    sd_event_source *timer;
    struct slot *slot; /* of the request under way */
    struct vault_reply reply;
    size_t next; /* the section to look at next in this round */
    struct ca_place place;
    bool complained; /* since the configuration was read */
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

/* From three quarters of the time to all of it, so that a fleet does not ask together. */
static void wait_for_next_round(struct ca_watch *watch)
{
    uint64_t every_us = watch->config->agent.ca_poll_s * 1000000;

    watch->next = 0;
    if (every_us == 0) {
        sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
        return;
    }
    sd_event_source_set_time_relative(watch->timer,
                                      every_us / 4 * 3 + (every_us / 4 * chance_draw() >> 32));
    sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

/* Whether the section is the first of its place, which speaks for all of them. */
static bool is_first(const struct config *config, size_t index)
{
    const struct ca_place place = ca_place_of(&config->certs[index]);

    for (size_t i = 0; i < index; i++) {
        const struct ca_place other = ca_place_of(&config->certs[i]);

        if (ca_place_is(&place, &other))
            return false;
    }
    return true;
}

static void end_request(struct ca_watch *watch)
{
    watch->slot = slot_drop(watch->slot);
    vault_reply_free(&watch->reply);
}

/*
 * A CA that does not answer is told of where certificates are asked for; here it is a detail. What
 * keeps the looks from ever succeeding is told once.
 */
static void note_failure(struct ca_watch *watch, const struct err *err)
{
    bool stays = err->kind != ERR_TRANSIENT && err->kind != ERR_LOCAL && !watch->complained;

    watch->complained |= stays;
    log_write(stays ? LOG_ADVICE : LOG_DETAIL, NULL,
              "cannot see whether the issuer of %s has changed or revoked anything: %s",
              watch->place.mount, err->text);
}

static void on_list(void *arg, const struct err *err);

static void go_on(struct ca_watch *watch)
{
    const struct vault_client client = {.http = watch->http, .config = watch->config};
    struct err err;

    for (; watch->next < watch->config->cert_count; watch->next++) {
        if (!is_first(watch->config, watch->next))
            continue;
        watch->place = ca_place_of(&watch->config->certs[watch->next++]);
        watch->slot = vault_ca_list_start(&client, watch->place.mount, watch->place.issuer,
                                          &watch->reply, on_list, watch, &err);
        if (watch->slot != NULL)
            return;
        note_failure(watch, &err);
        break;
    }
    wait_for_next_round(watch);
}

static void on_chain(void *arg, const struct err *err)
{
    struct ca_watch *watch = arg;
    struct arena arena = {0};
    const char *pem = err->kind == ERR_NONE ? vault_ca_chain(&watch->reply, &arena) : NULL;

    if (err->kind != ERR_NONE)
        note_failure(watch, err);
    if (pem != NULL)
        watch->listener.on_chain(watch->listener.arg, &watch->place, pem);
    arena_free(&arena);
    end_request(watch);
    go_on(watch);
}

/* Hands the list on; whether the chain is wanted. */
static bool hand_on(struct ca_watch *watch)
{
    const char *pem = vault_ca_list(&watch->reply);
    struct crl *crl = NULL;
    struct err err;
    bool wanted = false;

    if (pem == NULL)
        return false; /* the mount keeps no lists */
    crl = crl_read(pem, &err);
    if (crl == NULL)
        note_failure(watch, &err);
    else
        wanted = watch->listener.on_list(watch->listener.arg, &watch->place, crl);
    crl_free(crl);
    return wanted;
}

static void on_list(void *arg, const struct err *list_err)
{
    struct ca_watch *watch = arg;
    const struct vault_client client = {.http = watch->http, .config = watch->config};
    struct err err = *list_err;
    bool wanted = false;

    if (err.kind != ERR_NONE)
        note_failure(watch, &err);
    else
        wanted = hand_on(watch);
    end_request(watch);
    if (wanted) {
        watch->slot = vault_ca_chain_start(&client, watch->place.mount, watch->place.issuer,
                                           &watch->reply, on_chain, watch, &err);
        if (watch->slot != NULL)
            return;
        note_failure(watch, &err);
    }
    go_on(watch);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    go_on(arg);
    return 0;
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
    watch->config = config_ref(config);
    watch->listener = *listener;
    r = sd_event_add_time_relative(http_loop_event(http), &watch->timer, CLOCK_BOOTTIME, 0, 0,
                                   on_timer, watch);
    if (r < 0) {
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
        ca_watch_free(watch);
        return NULL;
    }
    sd_event_source_set_description(watch->timer, "look at the CA");
    wait_for_next_round(watch);
    return watch;
}

void ca_watch_use(struct ca_watch *watch, struct config *config)
{
    /* The place points into the old one. */
    end_request(watch);
    config_ref(config);
    config_unref(watch->config);
    watch->config = config;
    watch->complained = false;
    wait_for_next_round(watch);
}

void ca_watch_free(struct ca_watch *watch)
{
    if (watch == NULL)
        return;
    end_request(watch);
    sd_event_source_disable_unref(watch->timer);
    config_unref(watch->config);
    free(watch);
}
