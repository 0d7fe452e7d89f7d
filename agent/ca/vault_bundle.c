#include "ca/vault_bundle.h"

#include "base/clock.h"
#include "ca/vault_terms.h"
#include "pki/bundle.h"
#include "pki/lists.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 512 };

struct question;

struct reading {
    struct slot slot;
    struct slot *call;
    struct http_loop *http;
    struct config *config;
    const struct cert_config *cert;
    struct vault_bundle_listener listener;
    uint64_t asked_us;
    struct ca_signed *result;
    struct vault_reply reply;
    size_t list_bytes;
    struct arena arena;
    struct question *questions;
    size_t count, next; /* of the questions; `next` is under way */
};

/* Takes the answer and adds what is to be asked next. An answer that means that there is no such
 * thing succeeds. */
typedef bool take(struct reading *reading, const struct question *question, const struct err *said,
                  struct err *err);

struct question {
    take *take;
    const char *method, *mount, *reference; /* reference: of an issuer; NULL: all */
    const char *of;                         /* what of the issuer: "json" or "crl" */
};

static void destroy_reading(struct slot *slot)
{
    struct reading *reading = (struct reading *)slot;

    slot_drop(reading->call);
    vault_reply_free(&reading->reply);
    arena_free(&reading->arena);
    config_unref(reading->config);
    slot_free(slot);
}

static bool add(struct reading *reading, const struct question *question, struct err *err)
{
    struct question *room =
        arena_append(&reading->arena, &reading->questions, &reading->count, sizeof *room);

    if (room == NULL)
        return err_memory(err);
    *room = *question;
    return true;
}

/* -- issuers --------------------------------------------------------------------------------------
 */

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

static bool take_issuer(struct reading *reading, const struct question *question,
                        const struct err *said, struct err *err)
{
    const char *certificate = vault_reply_text(&reading->reply, "data", "certificate");
    struct ca_signed *result = reading->result;
    const char *text;

    *err = *said;
    (void)question;
    /* The first one is asked for by name, or is the default one: it must be there. */
    if (said->kind != ERR_NONE)
        return reading->next > 0 && vault_describe_missing(said);
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

/* -- revocation lists -----------------------------------------------------------------------------
 */

static bool wants_lists(const struct reading *reading)
{
    return config_output(reading->cert, CONTENT_CRL) != NULL;
}

/* Whether the CA says that it has nothing there, or does not give it to everybody. For a missing
 * list it answers 500. */
static bool is_refusal(const struct err *err)
{
    return err->kind == ERR_REFUSED || err->kind == ERR_DENIED || vault_describe_missing(err) ||
           (err->http_status == 500 && strstr(err->text, "unable to find CRL") != NULL);
}

/* pki/lists.h says which CA has none. */
static bool take_list(struct reading *reading, const struct question *question,
                      const struct err *said, struct err *err)
{
    const char *pem = vault_reply_text(&reading->reply, "data", "crl");
    struct ca_signed *result = reading->result;
    size_t length = pem == NULL ? 0 : strlen(pem);

    (void)question;
    *err = *said;
    if (said->kind != ERR_NONE)
        return is_refusal(said);
    reading->list_bytes += length;
    if (reading->list_bytes > LISTS_MOST_BYTES)
        return err_set(err, ERR_REFUSED,
                       "the revocation lists are longer than %d bytes; let the CA tidy them",
                       LISTS_MOST_BYTES);
    return length == 0 || text_list_add(&result->lists, &result->arena, pem, length) ||
           err_memory(err);
}

static bool add_list(struct reading *reading, const char *mount, const char *reference,
                     struct err *err)
{
    const struct question list = {take_list, "GET", mount, reference, "crl"};

    return !wants_lists(reading) || add(reading, &list, err);
}

/* -- all issuers of a mount -----------------------------------------------------------------------
 */

static bool add_issuer(struct reading *reading, const char *mount, const char *id, struct err *err)
{
    struct question issuer = {take_issuer, "GET", mount, arena_copy(&reading->arena, id), "json"};

    if (issuer.reference == NULL)
        return err_memory(err);
    /* Of other mounts only the lists are read. */
    return (mount != reading->cert->pki_mount || add(reading, &issuer, err)) &&
           add_list(reading, mount, issuer.reference, err);
}

/* Older servers do not list their issuers, and a proxy may not pass the method. */
static bool take_ids(struct reading *reading, const struct question *question,
                     const struct err *said, struct err *err)
{
    const json_t *data = json_object_get(reading->reply.json, "data");
    const json_t *keys = json_object_get(data, "keys");

    *err = *said;
    if (said->kind != ERR_NONE)
        return is_refusal(said) && add_list(reading, question->mount, "default", err);
    if (json_array_size(keys) > BUNDLE_MOST_ISSUERS)
        return err_set(err, ERR_REFUSED,
                       "the mount %s has more than %d issuers; name one with issuer",
                       question->mount, BUNDLE_MOST_ISSUERS);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *id = json_string_value(json_array_get(keys, i));

        if (id != NULL && !add_issuer(reading, question->mount, id, err))
            return false;
    }
    return true;
}

/* -- one question after the other -----------------------------------------------------------------
 */

static void finish(struct reading *reading, const struct err *err)
{
    const struct err good = {0};

    reading->listener.on_answer(reading->listener.arg, reading->asked_us,
                                err == NULL ? &good : err);
    slot_finish(&reading->slot, err);
}

static void on_answer(void *arg, const struct err *err);

static bool ask(struct reading *reading, struct err *err)
{
    const struct question *question = &reading->questions[reading->next];
    const struct vault_client client = {.http = reading->http, .config = reading->config};
    char path[PATH_BYTES];
    const struct vault_order order = {.method = question->method,
                                      .path = path,
                                      .reply_most_bytes = LISTS_MOST_BYTES + PATH_BYTES};

    if (question->reference == NULL)
        snprintf(path, sizeof path, "%s/issuers", question->mount);
    else
        snprintf(path, sizeof path, "%s/issuer/%s/%s", question->mount, question->reference,
                 question->of);
    reading->call = slot_drop(reading->call);
    vault_reply_free(&reading->reply);
    reading->asked_us = clock_boot_us();
    reading->call = vault_call_start(&client, &order, &reading->reply, on_answer, reading, err);
    return reading->call != NULL;
}

static void on_answer(void *arg, const struct err *call_err)
{
    struct reading *reading = arg;
    const struct question question = reading->questions[reading->next];
    struct err err;

    /* A copy, because the questions move when one is added. */
    if (!question.take(reading, &question, call_err, &err)) {
        finish(reading, &err);
        return;
    }
    reading->next++;
    if (reading->next == reading->count)
        finish(reading, NULL);
    else if (!ask(reading, &err))
        finish(reading, &err);
}

static bool add_first(struct reading *reading, struct err *err)
{
    const struct cert_config *cert = reading->cert;
    const struct text_list *mounts = &cert->crl_mounts;
    const char *reference = cert->issuer == NULL ? "default" : cert->issuer;
    const struct question issuer = {take_issuer, "GET", cert->pki_mount, reference, "json"};
    const struct question ids = {take_ids, "LIST", cert->pki_mount, NULL, NULL};

    if (!add(reading, &issuer, err) ||
        !(cert->issuer == NULL ? add(reading, &ids, err)
                               : add_list(reading, cert->pki_mount, reference, err)))
        return false;
    for (size_t i = 0; i < mounts->count && wants_lists(reading); i++) {
        const struct question others = {take_ids, "LIST", mounts->items[i], NULL, NULL};

        if (!add(reading, &others, err))
            return false;
    }
    return true;
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
    if (add_first(reading, err) && ask(reading, err))
        return &reading->slot;
    destroy_reading(&reading->slot);
    return NULL;
}
