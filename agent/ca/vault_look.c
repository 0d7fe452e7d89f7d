#include "ca/vault_look.h"

#include "base/clock.h"
#include "ca/vault_terms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two million bytes list some 40,000 revoked certificates; decoded they take ten times as much
 * memory. */
enum {
    PATH_BYTES = 512,
    LIST_MOST_BYTES = 2 * 1024 * 1024,
    ISSUERS_MOST = 64,            /* of a mount, searched for the one that signed the certificate */
    LIST_BYTES_A_LOOK = 8 * 1024, /* of a revocation list, on average */
    LOOKS_WITHOUT_LIST_MOST = 20
};

/* -- who is named as issuer -----------------------------------------------------------------------
 */

struct naming {
    struct slot slot;
    struct slot *call;
    struct vault_reply reply;
    struct vault_named *named;
};

static void destroy_naming(struct slot *slot)
{
    struct naming *naming = (struct naming *)slot;

    slot_drop(naming->call);
    vault_reply_free(&naming->reply);
    slot_free(slot);
}

static bool read_issuer(const struct vault_reply *reply, char to[static KEY_IDENTIFIER_BYTES],
                        struct err *err)
{
    const char *pem = vault_reply_text(reply, "data", "certificate");
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

static void on_named(void *arg, const struct err *call_err)
{
    struct naming *naming = arg;
    struct vault_named *named = naming->named;
    struct err err = *call_err;

    *named = (struct vault_named){.is_unchanged = naming->reply.status == 304,
                                  .date_s = naming->reply.date_s};
    if (err.kind == ERR_NONE && !named->is_unchanged &&
        read_issuer(&naming->reply, named->key, &err))
        err.kind = ERR_NONE;
    slot_finish(&naming->slot, &err);
}

static struct slot *ask_issuer(const struct vault_client *client, const char *mount,
                               const char *issuer, uint64_t since_s, struct vault_reply *ret_reply,
                               slot_done *on_done, void *arg, struct err *err)
{
    char path[PATH_BYTES];
    const struct vault_order order = {
        .operation = "read-issuer", .method = "GET", .path = path, .since_s = since_s};

    snprintf(path, sizeof path, "%s/issuer/%s/json", mount, issuer);
    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}

struct slot *vault_named_start(const struct vault_client *client, const char *mount,
                               const char *issuer, uint64_t since_s, struct vault_named *ret_named,
                               slot_done *on_done, void *arg, struct err *err)
{
    struct naming *naming =
        slot_new(sizeof *naming, http_loop_event(client->http), destroy_naming, on_done, arg, err);

    if (naming == NULL)
        return NULL;
    naming->named = ret_named;
    naming->call = ask_issuer(client, mount, issuer == NULL ? "default" : issuer, since_s,
                              &naming->reply, on_named, naming, err);
    if (naming->call != NULL)
        return &naming->slot;
    destroy_naming(&naming->slot);
    return NULL;
}

/* -- our own serial numbers -----------------------------------------------------------------------
 */

struct asking {
    struct slot slot;
    struct slot *call;
    struct http_loop *http;
    struct config *config;
    struct vault_lists *lists;
    struct vault_list *its; /* of them: the one of the certificate's issuer */
    struct vault_own *answer;
    char mount[PATH_BYTES / 2], authority_key[KEY_IDENTIFIER_BYTES];
    struct vault_reply reply, issuers;
    size_t issuer; /* index of the issuer to ask next */
    struct err
        not_read; /* why an issuer could not be read; it may be the right one at another time */
};

static void destroy_asking(struct slot *slot)
{
    struct asking *asking = (struct asking *)slot;

    slot_drop(asking->call);
    vault_reply_free(&asking->reply);
    vault_reply_free(&asking->issuers);
    config_unref(asking->config);
    slot_free(slot);
}

static struct vault_client client_of(const struct asking *asking)
{
    return (struct vault_client){.http = asking->http, .config = asking->config};
}

static void ask(struct asking *asking, const struct vault_order *order, slot_done *on_done)
{
    const struct vault_client client = client_of(asking);
    struct err err;

    asking->call = slot_drop(asking->call);
    vault_reply_free(&asking->reply);
    asking->call = vault_call_start(&client, order, &asking->reply, on_done, asking, &err);
    if (asking->call == NULL)
        slot_finish(&asking->slot, &err);
}

/* A long list is not fetched in every poll. */
static void note_length(struct vault_lists *lists, size_t bytes)
{
    size_t looks = bytes / LIST_BYTES_A_LOOK;

    if (looks > LOOKS_WITHOUT_LIST_MOST)
        looks = LOOKS_WITHOUT_LIST_MOST;
    if (looks > lists->looks_without)
        lists->looks_without = (unsigned)looks;
}

static void on_list(void *arg, const struct err *err)
{
    struct asking *asking = arg;
    const char *pem;
    struct err memory;

    if (err->kind != ERR_NONE) {
        slot_finish(&asking->slot, err);
        return;
    }
    pem = vault_reply_text(&asking->reply, "data", "crl");
    if (pem == NULL) {
        slot_finish(&asking->slot, NULL);
        return;
    }
    note_length(asking->lists, strlen(pem));
    asking->its->list = crl_share(pem);
    vault_reply_free(&asking->reply);
    asking->answer->list = asking->its->list;
    if (asking->its->list == NULL)
        err_memory(&memory);
    slot_finish(&asking->slot, asking->its->list == NULL ? &memory : NULL);
}

static void ask_list(struct asking *asking)
{
    char path[PATH_BYTES];
    const struct vault_order order = {.operation = "read-crl",
                                      .method = "GET",
                                      .path = path,
                                      .reply_most_bytes = LIST_MOST_BYTES};

    snprintf(path, sizeof path, "%s/issuer/%s/crl", asking->mount, asking->its->id);
    ask(asking, &order, on_list);
}

/* The id at that index of the list of issuers; NULL after the last one. */
static const char *issuer_id(const struct asking *asking, size_t index)
{
    const json_t *data = json_object_get(asking->issuers.json, "data");

    return json_string_value(json_array_get(json_object_get(data, "keys"), index));
}

static void on_one_of_issuers(void *arg, const struct err *err);

static void ask_next_issuer(struct asking *asking)
{
    const char *id = asking->issuer < ISSUERS_MOST ? issuer_id(asking, asking->issuer++) : NULL;
    const struct vault_client client = client_of(asking);
    struct err err;

    asking->call = slot_drop(asking->call);
    vault_reply_free(&asking->reply);
    if (id == NULL && asking->not_read.kind != ERR_NONE)
        err = asking->not_read;
    else if (id == NULL)
        err_set(&err, ERR_REFUSED,
                "the CA has not stored the certificate (no_store) and lists no issuer that signed "
                "it");
    else
        asking->call = ask_issuer(&client, asking->mount, id, 0, &asking->reply, on_one_of_issuers,
                                  asking, &err);
    if (asking->call == NULL)
        slot_finish(&asking->slot, &err);
}

/* The place of the list that came first, without it. */
static struct vault_list *take_place(struct vault_lists *lists)
{
    struct vault_list *place = &lists->items[lists->oldest];

    lists->oldest = (lists->oldest + 1) % VAULT_LISTS_MOST;
    crl_shared_drop(place->list);
    *place = (struct vault_list){0};
    return place;
}

static void on_one_of_issuers(void *arg, const struct err *err)
{
    struct asking *asking = arg;
    char key[KEY_IDENTIFIER_BYTES];
    struct err why;

    if (err->kind == ERR_NONE && read_issuer(&asking->reply, key, &why) &&
        strcmp(key, asking->authority_key) == 0) {
        asking->its = take_place(asking->lists);
        memcpy(asking->its->key, key, sizeof asking->its->key);
        snprintf(asking->its->id, sizeof asking->its->id, "%s",
                 issuer_id(asking, asking->issuer - 1));
        ask_list(asking);
        return;
    }
    /* A 500 may concern this issuer only; other transient failures concern all of them. */
    if ((err->kind == ERR_TRANSIENT && err->http_status != 500) || err->kind == ERR_LOCAL) {
        slot_finish(&asking->slot, err);
        return;
    }
    if (err->kind == ERR_TRANSIENT && !vault_describe_missing(err))
        asking->not_read = *err;
    ask_next_issuer(asking);
}

static void on_issuers(void *arg, const struct err *err)
{
    struct asking *asking = arg;

    if (err->kind != ERR_NONE) {
        slot_finish(&asking->slot, err);
        return;
    }
    asking->issuers = asking->reply;
    asking->reply = (struct vault_reply){0};
    ask_next_issuer(asking);
}

static struct vault_list *list_of(struct vault_lists *lists, const char *key)
{
    for (size_t i = 0; i < VAULT_LISTS_MOST; i++)
        if (lists->items[i].id[0] != '\0' && strcmp(lists->items[i].key, key) == 0)
            return &lists->items[i];
    return NULL;
}

/* The certificate may come from another issuer than the one that the CA names now. */
static void find_list(struct asking *asking)
{
    char path[PATH_BYTES];
    const struct vault_order order = {.operation = "list-issuers", .method = "LIST", .path = path};

    asking->its = list_of(asking->lists, asking->authority_key);
    if (asking->lists->is_skipped) {
        slot_finish(&asking->slot, NULL);
    } else if (asking->its != NULL && asking->its->list != NULL) {
        asking->answer->list = asking->its->list;
        slot_finish(&asking->slot, NULL);
    } else if (asking->its != NULL) {
        ask_list(asking);
    } else {
        snprintf(path, sizeof path, "%s/issuers", asking->mount);
        ask(asking, &order, on_issuers);
    }
}

static void on_own(void *arg, const struct err *err)
{
    struct asking *asking = arg;
    const json_t *data = json_object_get(asking->reply.json, "data");

    if (err->http_status == 404 || err->http_status == 400) {
        find_list(asking);
        return;
    }
    asking->answer->is_revoked = json_number_value(json_object_get(data, "revocation_time")) > 0;
    slot_finish(&asking->slot, err);
}

struct slot *vault_own_start(const struct vault_client *client, struct vault_lists *lists,
                             const char *mount, const struct ca_own *own, struct vault_own *ret_own,
                             slot_done *on_done, void *arg, struct err *err)
{
    struct asking *asking =
        slot_new(sizeof *asking, http_loop_event(client->http), destroy_asking, on_done, arg, err);
    char path[PATH_BYTES];
    const struct vault_order order = {
        .operation = "read-certificate", .method = "GET", .path = path};

    if (asking == NULL)
        return NULL;
    asking->http = client->http;
    asking->config = config_ref(client->config);
    asking->lists = lists;
    asking->answer = ret_own;
    *ret_own = (struct vault_own){0};
    snprintf(asking->mount, sizeof asking->mount, "%s", mount);
    memcpy(asking->authority_key, own->authority_key, sizeof asking->authority_key);
    snprintf(path, sizeof path, "%s/cert/%s", mount, own->serial);
    ask(asking, &order, on_own);
    return &asking->slot;
}

void vault_lists_begin(struct vault_lists *lists)
{
    lists->is_skipped = lists->looks_without > 0;
    lists->looks_without -= lists->is_skipped;
}

void vault_lists_end(struct vault_lists *lists)
{
    for (size_t i = 0; i < VAULT_LISTS_MOST; i++)
        lists->items[i].list = crl_shared_drop(lists->items[i].list);
}
