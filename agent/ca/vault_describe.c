#include "ca/vault_describe.h"

#include "ca/vault_sign.h"
#include "ca/vault_terms.h"

#include <stdlib.h>
#include <string.h>

/* -- what is known --------------------------------------------------------------------------------
 */

/* The reply to a path of the CA. */
struct known {
    struct known *next;
    const char *path;
    union {
        struct mount_terms mount;
        struct role_terms role;
        struct issuer_terms issuer;
    };
};

struct vault_survey {
    struct arena arena;
    struct vault_reply rights;
    struct identity_terms identity;
    bool has_rights, asked_identity;
    struct known *known;
};

struct description {
    struct slot slot;
    struct slot *call;
    struct vault_survey *survey;
    struct vault_token *token;
    const struct cert_config *cert;
    struct ca_terms *terms;
    struct known *at; /* the path that is being read */
    struct vault_reply reply;
    slot_done *on_read;
};

struct vault_survey *vault_survey_new(void)
{
    return calloc(1, sizeof(struct vault_survey));
}

void vault_survey_free(struct vault_survey *survey)
{
    if (survey == NULL)
        return;
    vault_reply_free(&survey->rights);
    arena_free(&survey->arena);
    free(survey);
}

static void destroy_description(struct slot *slot)
{
    struct description *description = (struct description *)slot;

    slot_drop(description->call);
    vault_reply_free(&description->reply);
    slot_free(slot);
}

static void fail_memory(struct description *description)
{
    struct err err;

    err_memory(&err);
    slot_finish(&description->slot, &err);
}

static void on_called(void *arg, const struct err *call_err)
{
    struct description *description = arg;
    const struct err err = *call_err;

    description->call = slot_drop(description->call);
    description->on_read(description, &err);
}

static void send_order(struct description *description, const struct vault_order *order,
                       slot_done *on_read)
{
    const struct vault_client client = vault_token_client(description->token);
    struct err err;

    vault_reply_free(&description->reply);
    description->on_read = on_read;
    description->call =
        vault_call_start(&client, order, &description->reply, on_called, description, &err);
    if (description->call == NULL)
        slot_finish(&description->slot, &err);
}

/* Without a token the CA would answer 403, which would look like a missing permission. */
static void send_with_token(struct description *description, const struct vault_order *wanted,
                            slot_done *on_read)
{
    struct vault_order order = *wanted;
    struct err err;

    order.token = vault_token_secret(description->token);
    if (order.token != NULL) {
        send_order(description, &order, on_read);
        return;
    }
    err_set(&err, ERR_DENIED, "%s was not asked: the token has no uses left (token_num_uses)",
            order.path);
    on_read(description, &err);
}

static void read_path(struct description *description, const char *path, slot_done *on_read)
{
    const struct vault_order order = {.operation = "describe", .method = "GET", .path = path};

    send_with_token(description, &order, on_read);
}

/*
 * Whether the path was read already; if not, reads it and calls `on_read`. A NULL path means that
 * memory ran out for it.
 */
static bool knows(struct description *description, const char *path, slot_done *on_read)
{
    struct vault_survey *survey = description->survey;
    struct known *known = survey->known;

    while (path != NULL && known != NULL && strcmp(known->path, path) != 0)
        known = known->next;
    description->at = known;
    if (path != NULL && known != NULL)
        return true;
    known = path == NULL ? NULL : arena_take(&survey->arena, sizeof *known);
    if (known == NULL) {
        fail_memory(description);
        return false;
    }
    *known = (struct known){.next = survey->known, .path = path};
    survey->known = description->at = known;
    read_path(description, path, on_read);
    return false;
}

/* -- one thing after the other --------------------------------------------------------------------
 */

static void on_entity(void *arg, const struct err *entity_err)
{
    struct description *description = arg;
    struct vault_survey *survey = description->survey;
    const char *mount = vault_token_client(description->token).config->auth.mount;
    struct err err = {0};

    if (entity_err->kind == ERR_NONE)
        vault_identity_read(&description->reply, mount, &survey->arena, &survey->identity, &err);
    slot_finish(&description->slot, &err);
}

/* Checks the CA's value before it becomes part of a path. */
static bool is_entity_id(const char *text)
{
    return text != NULL && text[0] != '\0' && strspn(text, "0123456789abcdef-") == strlen(text);
}

static void on_own_token(void *arg, const struct err *err)
{
    struct description *description = arg;
    const char *id =
        err->kind == ERR_NONE ? vault_reply_text(&description->reply, "data", "entity_id") : NULL;
    const char *path;

    if (!is_entity_id(id)) {
        slot_finish(&description->slot, NULL);
        return;
    }
    path = arena_format(&description->survey->arena, "identity/entity/id/%s", id);
    if (path == NULL)
        fail_memory(description);
    else
        read_path(description, path, on_entity);
}

/*
 * Reads the entity behind the token, which the policy `default` allows for every token. Read once
 * and last, since a token may have few uses. Without it the templates of roles are not decided,
 * which is no failure.
 */
static void describe_identity(struct description *description)
{
    struct vault_survey *survey = description->survey;

    if (description->terms->role->known != TERMS_KNOWN || survey->asked_identity) {
        slot_finish(&description->slot, NULL);
        return;
    }
    survey->asked_identity = true;
    read_path(description, "auth/token/lookup-self", on_own_token);
}

static void take_issuer(struct description *description)
{
    description->terms->issuer = &description->at->issuer;
    describe_identity(description);
}

/* Parses the reply to either path of an issuer; false if the description has ended. */
static bool read_issuer(struct description *description, const struct err *call_err)
{
    struct issuer_terms *issuer = &description->at->issuer;
    const char *why = issuer->not_asked_why;
    struct err err;

    if (call_err->kind != ERR_NONE) {
        if (vault_describe_missing(call_err))
            issuer->known = TERMS_MISSING;
        return true;
    }
    if (!vault_issuer_read(&description->reply, &description->survey->arena, issuer, &err)) {
        slot_finish(&description->slot, &err);
        return false;
    }
    issuer->not_asked_why = why;
    return true;
}

static void on_open_issuer(void *arg, const struct err *err)
{
    if (read_issuer(arg, err))
        take_issuer(arg);
}

/* Reads the whole issuer if the policy allows it, else the certificate, which is public. */
static void on_issuer(void *arg, const struct err *err)
{
    struct description *description = arg;
    struct arena *arena = &description->survey->arena;
    struct issuer_terms *issuer = &description->at->issuer;
    struct vault_order order = {.operation = "describe", .method = "GET"};

    issuer->leaf_not_after = LEAF_NOT_KNOWN;
    if (!read_issuer(description, err))
        return;
    if (issuer->known != TERMS_NOT_ASKED) {
        take_issuer(description);
        return;
    }
    issuer->not_asked_why = arena_copy(arena, err->text);
    order.path = arena_format(arena, "%s/json", description->at->path);
    if (order.path == NULL)
        fail_memory(description);
    else
        send_order(description, &order, on_open_issuer);
}

static void describe_issuer(struct description *description)
{
    static const struct issuer_terms no_issuer = {.known = TERMS_MISSING};
    const struct cert_config *cert = description->cert;
    struct ca_terms *terms = description->terms;
    const char *reference = cert->issuer;

    if (reference == NULL)
        reference = terms->role->known == TERMS_KNOWN ? terms->role->issuer_ref : "default";
    terms->issuer_ref = reference;
    if (terms->role->known == TERMS_MISSING || terms->mount->known == TERMS_MISSING) {
        terms->issuer = &no_issuer;
        describe_identity(description);
    } else if (knows(description,
                     arena_format(&description->survey->arena, "%s/issuer/%s", cert->pki_mount,
                                  reference),
                     on_issuer)) {
        take_issuer(description);
    }
}

static void take_role(struct description *description)
{
    description->terms->role = &description->at->role;
    describe_issuer(description);
}

static void on_role(void *arg, const struct err *call_err)
{
    struct description *description = arg;
    struct role_terms *role = &description->at->role;
    struct err err = *call_err;

    if (err.kind == ERR_NONE) {
        if (!vault_role_read(&description->reply, &description->survey->arena, role, &err)) {
            slot_finish(&description->slot, &err);
            return;
        }
    } else if (vault_describe_missing(&err)) {
        role->known = TERMS_MISSING;
    } else {
        role->not_asked_why = arena_copy(&description->survey->arena, err.text);
    }
    take_role(description);
}

static void take_mount(struct description *description)
{
    const struct cert_config *cert = description->cert;

    description->terms->mount = &description->at->mount;
    if (knows(description,
              arena_format(&description->survey->arena, "%s/roles/%s", cert->pki_mount,
                           cert->pki_role),
              on_role))
        take_role(description);
}

/* The server answers 403 both for a missing mount and for one that the token may not use. If the
 * token may sign there, the mount is missing. */
static void on_mount(void *arg, const struct err *call_err)
{
    struct description *description = arg;
    struct mount_terms *mount = &description->at->mount;
    struct err err = *call_err;

    if (err.kind == ERR_NONE &&
        !vault_mount_read(&description->reply, &description->survey->arena, mount, &err)) {
        slot_finish(&description->slot, &err);
        return;
    }
    if (err.http_status == 403 && description->terms->may_sign)
        mount->known = TERMS_MISSING;
    take_mount(description);
}

/* -- rights ---------------------------------------------------------------------------------------
 */

/*
 * The paths that give a token any name, whatever the role allows: signing verbatim, and changing
 * the role. NULL if memory ran out.
 */
static const char *bypass_path(struct arena *arena, const struct cert_config *cert, size_t index)
{
    if (index == 0)
        return arena_format(arena, "%s/sign-verbatim", cert->pki_mount);
    return arena_format(arena, "%s/%s/%s", cert->pki_mount, index == 1 ? "sign-verbatim" : "roles",
                        cert->pki_role);
}

enum { BYPASSES = 3 };

/* Reads whether the policy allows signing, and which bypasses it allows. */
static bool take_rights(struct description *description)
{
    struct arena *arena = &description->survey->arena;
    const struct vault_reply *rights = &description->survey->rights;
    struct ca_terms *terms = description->terms;
    char path[VAULT_PATH_BYTES];

    vault_sign_path(description->cert, path);
    terms->path = arena_copy(arena, path);
    terms->may_sign = vault_capability_has(rights, path, "update");
    for (size_t i = 0; i < BYPASSES; i++) {
        const char *bypass = bypass_path(arena, description->cert, i);

        if (bypass == NULL)
            return false;
        if ((vault_capability_has(rights, bypass, "update") ||
             vault_capability_has(rights, bypass, "create") ||
             vault_capability_has(rights, bypass, "patch")) &&
            !text_list_add(&terms->bypasses, arena, bypass, strlen(bypass)))
            return false;
    }
    return terms->path != NULL;
}

static void begin(struct description *description)
{
    const struct cert_config *cert = description->cert;

    if (!take_rights(description))
        fail_memory(description);
    else if (knows(description,
                   arena_format(&description->survey->arena, "sys/internal/ui/mounts/%s",
                                cert->pki_mount),
                   on_mount))
        take_mount(description);
}

static void on_rights(void *arg, const struct err *err)
{
    struct description *description = arg;
    struct vault_survey *survey = description->survey;

    if (err->kind != ERR_NONE) {
        slot_finish(&description->slot, err);
        return;
    }
    survey->has_rights = true;
    survey->rights = description->reply;
    description->reply = (struct vault_reply){0};
    begin(description);
}

/* Collects paths as keys of an object, so that each is there once. */
static bool add_paths(json_t *paths, struct arena *arena, const struct cert_config *cert)
{
    char path[VAULT_PATH_BYTES];

    vault_sign_path(cert, path);
    if (json_object_set_new(paths, path, json_null()) != 0)
        return false;
    for (size_t i = 0; i < BYPASSES; i++) {
        const char *bypass = bypass_path(arena, cert, i);

        if (bypass == NULL || json_object_set_new(paths, bypass, json_null()) != 0)
            return false;
    }
    return true;
}

static json_t *rights_body(struct arena *arena, const struct config *config)
{
    json_auto_t *paths = json_object(), *list = json_array();
    const char *path;
    json_t *none;

    for (size_t i = 0; i < config->cert_count; i++)
        if (!config->certs[i].is_trust && !add_paths(paths, arena, &config->certs[i]))
            return NULL;
    json_object_foreach (paths, path, none) {
        if (json_array_append_new(list, json_string(path)) != 0)
            return NULL;
    }
    return json_pack("{s:O}", "paths", list);
}

static void ask_rights(struct description *description)
{
    const struct vault_client client = vault_token_client(description->token);
    json_auto_t *body = rights_body(&description->survey->arena, client.config);
    const struct vault_order order = {
        .operation = "describe", .method = "POST", .path = "sys/capabilities-self", .body = body};

    if (body == NULL)
        fail_memory(description);
    else
        send_with_token(description, &order, on_rights);
}

struct slot *vault_describe_start(struct vault_survey *survey, struct vault_token *token,
                                  const struct cert_config *cert, struct ca_terms *ret_terms,
                                  slot_done *on_done, void *arg, struct err *err)
{
    const struct vault_client client = vault_token_client(token);
    struct description *description = slot_new(sizeof *description, http_loop_event(client.http),
                                               destroy_description, on_done, arg, err);

    if (description == NULL)
        return NULL;
    *ret_terms = (struct ca_terms){.identity = &survey->identity};
    description->survey = survey;
    description->token = token;
    description->cert = cert;
    description->terms = ret_terms;
    if (survey->has_rights)
        begin(description);
    else
        ask_rights(description);
    return &description->slot;
}
