#include "ca/vault_bundle.h"

#include "base/clock.h"
#include "ca/vault_terms.h"
#include "pki/bundle.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 512 };

struct reading {
    struct slot slot;
    struct slot *call;
    struct http_loop *http;
    struct config *config;
    const struct cert_config *cert;
    struct vault_bundle_listener listener;
    uint64_t asked_us;
    struct ca_signed *result;
    struct vault_reply reply, listed;
    size_t next; /* index of the issuer in `listed` that is read next */
};

static void destroy_reading(struct slot *slot)
{
    struct reading *reading = (struct reading *)slot;

    slot_drop(reading->call);
    vault_reply_free(&reading->reply);
    vault_reply_free(&reading->listed);
    config_unref(reading->config);
    slot_free(slot);
}

static bool ask(struct reading *reading, const char *method, const char *path, slot_done *on_done,
                struct err *err)
{
    const struct vault_client client = {.http = reading->http, .config = reading->config};
    const struct vault_order order = {.method = method, .path = path};

    reading->call = slot_drop(reading->call);
    vault_reply_free(&reading->reply);
    reading->asked_us = clock_boot_us();
    reading->call = vault_call_start(&client, &order, &reading->reply, on_done, reading, err);
    return reading->call != NULL;
}

static bool ask_issuer(struct reading *reading, const char *reference, slot_done *on_done,
                       struct err *err)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/issuer/%s/json", reading->cert->pki_mount, reference);
    return ask(reading, "GET", path, on_done, err);
}

/* The issuer's certificate and its chain as one text, in the arena; NULL if memory ran out. */
static const char *text_of(const struct vault_reply *reply, const char *certificate,
                           struct arena *arena)
{
    const json_t *data = json_object_get(reply->json, "data");
    const json_t *chain = json_object_get(data, "ca_chain");
    const char *text = certificate;

    for (size_t i = 0; text != NULL && i < json_array_size(chain); i++) {
        const char *pem = json_string_value(json_array_get(chain, i));

        if (pem != NULL)
            text = arena_format(arena, "%s\n%s", text, pem);
    }
    return text;
}

/* Whether the issuer with this certificate is in the result. */
static bool is_there(const struct ca_signed *result, const char *certificate)
{
    for (size_t i = 0; i < result->issuers.count; i++)
        if (text_starts(result->issuers.items[i], certificate) != NULL)
            return true;
    return false;
}

static bool take_issuer(struct reading *reading, struct err *err)
{
    const char *certificate = vault_reply_text(&reading->reply, "data", "certificate");
    struct ca_signed *result = reading->result;
    const char *text;

    if (certificate == NULL) {
        err_set(err, ERR_UNTRUSTED, "the reply holds no certificate");
        err->http_status = reading->reply.status;
        return false;
    }
    if (is_there(result, certificate))
        return true;
    text = text_of(&reading->reply, certificate, &result->arena);
    return (text != NULL && text_list_add(&result->issuers, &result->arena, text, strlen(text))) ||
           err_memory(err);
}

static void finish(struct reading *reading, const struct err *err)
{
    const struct err good = {0};

    reading->listener.on_answer(reading->listener.arg, reading->asked_us,
                                err == NULL ? &good : err);
    slot_finish(&reading->slot, err);
}

static void on_other(void *arg, const struct err *err);

static void ask_next(struct reading *reading)
{
    const json_t *data = json_object_get(reading->listed.json, "data");
    const char *id =
        json_string_value(json_array_get(json_object_get(data, "keys"), reading->next));
    struct err err;

    reading->next++;
    if (id == NULL)
        finish(reading, NULL);
    else if (!ask_issuer(reading, id, on_other, &err))
        finish(reading, &err);
}

/* The CA answers 500 for an issuer that was removed meanwhile. */
static void on_other(void *arg, const struct err *call_err)
{
    struct reading *reading = arg;
    struct err err = *call_err;
    bool is_gone = err.kind != ERR_NONE && vault_describe_missing(&err);

    if (!is_gone && (err.kind != ERR_NONE || !take_issuer(reading, &err)))
        finish(reading, &err);
    else
        ask_next(reading);
}

static void on_listed(void *arg, const struct err *err)
{
    struct reading *reading = arg;
    const json_t *data = json_object_get(reading->reply.json, "data");
    struct err many;

    /* Older servers have no such list, and a proxy may not pass the method. */
    if (err->kind == ERR_REFUSED || err->kind == ERR_DENIED) {
        finish(reading, NULL);
        return;
    }
    if (err->kind != ERR_NONE) {
        finish(reading, err);
        return;
    }
    if (json_array_size(json_object_get(data, "keys")) > BUNDLE_MOST_ISSUERS) {
        err_set(&many, ERR_REFUSED, "the mount %s has more than %d issuers; name one with issuer",
                reading->cert->pki_mount, BUNDLE_MOST_ISSUERS);
        finish(reading, &many);
        return;
    }
    reading->listed = reading->reply;
    reading->reply = (struct vault_reply){0};
    ask_next(reading);
}

static void on_first(void *arg, const struct err *call_err)
{
    struct reading *reading = arg;
    struct err err = *call_err;
    char path[PATH_BYTES];

    if (err.kind != ERR_NONE || !take_issuer(reading, &err)) {
        finish(reading, &err);
        return;
    }
    if (reading->cert->issuer != NULL) {
        finish(reading, NULL);
        return;
    }
    snprintf(path, sizeof path, "%s/issuers", reading->cert->pki_mount);
    if (!ask(reading, "LIST", path, on_listed, &err))
        finish(reading, &err);
}

struct slot *vault_bundle_start(const struct vault_client *client, const struct cert_config *cert,
                                const struct vault_bundle_listener *listener,
                                struct ca_signed *ret_signed, slot_done *on_done, void *arg,
                                struct err *err)
{
    struct reading *reading = slot_new(sizeof *reading, http_loop_event(client->http),
                                       destroy_reading, on_done, arg, err);

    if (reading == NULL)
        return NULL;
    reading->http = client->http;
    reading->config = config_ref(client->config);
    reading->cert = cert;
    reading->listener = *listener;
    reading->result = ret_signed;
    if (ask_issuer(reading, cert->issuer == NULL ? "default" : cert->issuer, on_first, err))
        return &reading->slot;
    destroy_reading(&reading->slot);
    return NULL;
}
