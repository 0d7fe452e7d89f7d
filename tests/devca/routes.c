#include "routes.h"

#include "control.h"
#include "devca.h"
#include "entity.h"
#include "health.h"
#include "login.h"
#include "must.h"
#include "pki_calls.h"
#include "signing.h"
#include "token_calls.h"

#include "base/text.h"

#include <string.h>

enum access {
    OPEN,    /* to everybody */
    OWN,     /* to every good token: what Vault's policy "default" grants */
    GRANTED, /* to tokens of roles whose policy is not none */
    READABLE /* to those whose policy is all */
};

struct route {
    enum verb verb;
    const char *pattern; /* in which + stands for a name */
    handler *handle;
    enum access access;
    enum request_kind kind;
};

static const struct route vault_routes[] = {
    {VERB_READ, "sys/health", health, OPEN, KIND_OTHER},
    {VERB_HEAD, "sys/health", health, OPEN, KIND_OTHER},
    {VERB_WRITE, "sys/capabilities-self", token_capabilities, OWN, KIND_OTHER},

    {VERB_READ, "sys/internal/ui/mounts/+", pki_mount, OWN, KIND_OTHER},
    {VERB_READ, "identity/entity/id/+", entity_read, OWN, KIND_OTHER},

    {VERB_WRITE, "auth/+/login", login, OPEN, KIND_LOGIN},
    {VERB_READ, "auth/token/lookup-self", token_lookup, OWN, KIND_OTHER},
    {VERB_WRITE, "auth/token/renew-self", token_renew, OWN, KIND_OTHER},
    {VERB_WRITE, "auth/token/revoke-self", token_revoke, OWN, KIND_OTHER},

    {VERB_WRITE, "pki_int/sign/+", signing_sign, GRANTED, KIND_SIGN},
    {VERB_WRITE, "pki_int/issue/+", signing_issue, GRANTED, KIND_ISSUE},
    {VERB_WRITE, "pki_int/issuer/+/sign/+", signing_sign, GRANTED, KIND_SIGN},
    {VERB_WRITE, "pki_int/issuer/+/issue/+", signing_issue, GRANTED, KIND_ISSUE},
    {VERB_WRITE, "pki_int/revoke", pki_revoke, GRANTED, KIND_OTHER},

    {VERB_READ, "pki_int/roles/+", pki_role, READABLE, KIND_OTHER},
    {VERB_READ, "pki_int/issuer/+", pki_issuer, READABLE, KIND_OTHER},

    {VERB_READ, "pki_int/ca", pki_ca, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/ca/pem", pki_ca_pem, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/ca_chain", pki_ca_chain, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/cert/+", pki_certificate, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/crl", pki_crl, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/crl/pem", pki_crl_pem, OPEN, KIND_OTHER},
    {VERB_LIST, "pki_int/issuers", pki_issuers, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/issuer/+/crl", pki_issuer_crl, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/issuer/+/json", pki_issuer_json, OPEN, KIND_OTHER},
    {VERB_READ, "pki_int/issuer/+/pem", pki_issuer_pem, OPEN, KIND_OTHER},
    {.pattern = NULL},
};

static const struct route control_routes[] = {
    {VERB_READ, "requests", control_requests, OPEN, KIND_OTHER},
    {VERB_READ, "faults", control_faults, OPEN, KIND_OTHER},
    {VERB_WRITE, "faults", control_add_fault, OPEN, KIND_OTHER},
    {VERB_DELETE, "faults", control_clear_faults, OPEN, KIND_OTHER},
    {VERB_WRITE, "rotate", control_rotate, OPEN, KIND_OTHER},
    {VERB_WRITE, "lists", control_lists, OPEN, KIND_OTHER},
    {VERB_WRITE, "pin", control_pin, OPEN, KIND_OTHER},
    {VERB_WRITE, "tokens/revoke-all", control_revoke_tokens, OPEN, KIND_OTHER},
    {.pattern = NULL},
};

/* -- the table ----------------------------------------------------------------------------------
 */

/* Captures what stands for each + if `request` is not NULL. */
static bool matches(const char *pattern, const char *path, struct request *request)
{
    size_t captured = 0;

    for (;; pattern++, path++) {
        if (*pattern == '+') {
            size_t length = strcspn(path, "/");

            if (length == 0)
                return false;
            if (request != NULL) {
                request->captured[captured] = arena_copy_part(&request->arena, path, length);
                MUST(request->captured[captured] != NULL);
                captured++;
            }
            path += length - 1;
        } else if (*pattern != *path) {
            return false;
        } else if (*pattern == '\0') {
            return true;
        }
    }
}

/* The route of a request; NULL if there is none, and whether only its verb is wrong. */
static const struct route *find(const struct route *routes, struct request *request,
                                bool *ret_known)
{
    *ret_known = false;
    for (; routes->pattern != NULL; routes++) {
        if (!matches(routes->pattern, request->route, NULL))
            continue;
        *ret_known = true;
        if (routes->verb == request->verb) {
            matches(routes->pattern, request->route, request);
            return routes;
        }
    }
    return NULL;
}

/* Whether the policy of a token's role lets it use a route. */
static bool is_granted(const struct token *holder, enum access access)
{
    switch (access) {
    case READABLE:
        return holder->role->policy == POLICY_ALL;
    case GRANTED:
        return holder->role->policy != POLICY_NONE;
    case OPEN:
    case OWN:
    default:
        return true;
    }
}

const char *routes_capability(const struct token *holder, const char *path)
{
    static const char *const words[VERB_COUNT] = {
        [VERB_READ] = "read", [VERB_WRITE] = "update",  [VERB_LIST] = "list",
        [VERB_HEAD] = "read", [VERB_DELETE] = "delete",
    };

    for (const struct route *route = vault_routes; route->pattern != NULL; route++)
        if (route->access != OPEN && matches(route->pattern, path, NULL) &&
            is_granted(holder, route->access))
            return words[route->verb];
    return "deny";
}

/* -- one request --------------------------------------------------------------------------------
 */

static bool admit(struct devca *devca, struct request *request, const struct route *route,
                  struct reply *reply)
{
    if (route != NULL && route->access == OPEN)
        return true;
    if (request->token == NULL)
        return reply_error(reply, 403, "permission denied");
    request->holder = tokens_find(&devca->tokens, request->token);
    if (request->holder == NULL)
        return reply_error(reply, 403,
                           "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
    if (route != NULL && !is_granted(request->holder, route->access))
        return reply_failed(reply, 403, "permission denied");
    return true;
}

static bool read_body(struct request *request, struct reply *reply)
{
    json_error_t error;

    if (request->content.length == 0)
        request->body = json_object();
    else
        request->body = json_loadb(request->content.data, request->content.length, 0, &error);
    if (json_is_object(request->body))
        return true;
    return reply_error(reply, 400, "failed to parse JSON input: %s",
                       request->body == NULL ? error.text : "it is no object");
}

static void handle(struct devca *devca, struct request *request, const struct route *route,
                   bool is_known, struct reply *reply)
{
    if (!admit(devca, request, route, reply) || !read_body(request, reply))
        return;
    if (route != NULL)
        route->handle(devca, request, reply);
    else if (is_known)
        reply_failed(reply, 405, "unsupported operation");
    else
        reply_error(reply, 404, "no handler for route \"%s\". route entry not found.",
                    request->route);
}

static void count(struct devca *devca, const struct request *request)
{
    char key[512];
    json_int_t before;

    snprintf(key, sizeof key, "%s %s", request->method, request->route);
    before = json_integer_value(json_object_get(devca->counts, key));
    MUST(json_object_set_new(devca->counts, key, json_integer(before + 1)) == 0);
    devca->total++;
}

/* Keeps what was issued, for the fault `replay`. */
static void remember(struct devca *devca, const struct request *request, const struct reply *reply)
{
    json_t *data = json_deep_copy(json_object_get(reply->json, "data"));

    MUST(data != NULL && json_object_set_new(devca->answered, request->route, data) == 0);
}

static void answer_vault(struct devca *devca, struct request *request, struct reply *reply)
{
    bool is_known;
    const struct route *route = find(vault_routes, request, &is_known);
    unsigned kind = route == NULL ? KIND_OTHER : route->kind;
    struct fault_scene scene = {
        .devca = devca, .route = request->route, .request = request, .reply = reply};

    count(devca, request);
    request->fault = faults_choose(&devca->faults, request->route, kind);
    faults_apply(&devca->faults, &request->fault, FAULT_BEFORE, &scene);
    if (!faults_apply(&devca->faults, &request->fault, FAULT_INSTEAD, &scene)) {
        handle(devca, request, route, is_known, reply);
        if (reply->status == 200 && reply->json != NULL) {
            faults_apply(&devca->faults, &request->fault, FAULT_REPLY, &scene);
            if ((kind & (KIND_SIGN | KIND_ISSUE)) != 0)
                remember(devca, request, reply);
        }
    }
    reply_settle(reply);
    faults_apply(&devca->faults, &request->fault, FAULT_BODY, &scene);
}

void routes_answer(struct devca *devca, struct request *request, struct reply *reply)
{
    const char *vault = text_starts(request->path, "/v1/");
    const char *control = text_starts(request->path, "/devca/");
    bool is_known = false;
    const struct route *route;

    request->route = vault != NULL ? vault : control;
    if (request->verb == VERB_COUNT) {
        reply_failed(reply, 405, "unsupported operation");
    } else if (vault != NULL) {
        answer_vault(devca, request, reply);
    } else if (control != NULL) {
        route = find(control_routes, request, &is_known);
        if (route == NULL)
            reply_error(reply, is_known ? 405 : 404, "there is no such call");
        else
            handle(devca, request, route, is_known, reply);
    } else {
        reply_error(reply, 404, "everything is below /v1/ and /devca/");
    }
    reply_settle(reply);
}
