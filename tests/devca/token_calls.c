#include "token_calls.h"

#include "devca.h"
#include "fields.h"
#include "moment.h"
#include "must.h"
#include "routes.h"
#include "span.h"

#include <string.h>

static json_t *policies(const struct token *token)
{
    return json_pack("[s, s]", "default", token->role->name);
}

json_t *token_auth(const struct devca *devca, const struct token *token)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:O, s:I, s:b, s:s, s:s, s:b, s:n, s:i}", "client_token",
                     token->text, "accessor", token->accessor, "policies", policies(token),
                     "token_policies", policies(token), "metadata", token->metadata,
                     "lease_duration", (json_int_t)tokens_left(token), "renewable", 1, "entity_id",
                     devca->entity_id, "token_type", "service", "orphan", 1, "mfa_requirement",
                     "num_uses", (int)token->role->token_num_uses);
}

void token_lookup(struct devca *devca, struct request *request, struct reply *reply)
{
    const struct token *token = request->holder;
    json_t *data = json_pack(
        "{s:s, s:I, s:I, s:s, s:s, s:s, s:i, s:s, s:s, s:O, s:i, s:b, s:s, s:o, s:b, s:I, s:s}",
        "accessor", token->accessor, "creation_time", (json_int_t)(token->issued / MOMENT_SECOND),
        "creation_ttl", (json_int_t)token->role->token_ttl_s, "display_name", token->display_name,
        "entity_id", devca->entity_id, "expire_time", moment_text(&request->arena, token->ends),
        "explicit_max_ttl", 0, "id", token->text, "issue_time",
        moment_text(&request->arena, token->issued), "meta", token->metadata, "num_uses", 0,
        "orphan", 1, "path", token->path, "policies", policies(token), "renewable", 1, "ttl",
        (json_int_t)tokens_left(token), "type", "service");

    MUST(data != NULL);
    if (token->renewed != 0) {
        json_object_set_new(data, "last_renewal",
                            json_string(moment_text(&request->arena, token->renewed)));
        json_object_set_new(data, "last_renewal_time",
                            json_integer((json_int_t)(token->renewed / MOMENT_SECOND)));
    }
    reply_data(reply, data, "token");
}

void token_renew(struct devca *devca, struct request *request, struct reply *reply)
{
    static const char *const known[] = {"increment", "token", NULL};
    struct fields fields = {.body = request->body, .arena = &request->arena};
    uint64_t increment_s = fields_seconds(&fields, "increment"), most_s;
    const char *wanted, *most, *warning;

    if (fields.failure != NULL) {
        reply_error(reply, 400, "%s", fields.failure);
        return;
    }
    tokens_renew(request->holder, increment_s, &most_s);
    reply_auth(reply, token_auth(devca, request->holder), "token");
    if (most_s != 0) {
        wanted = span_short(&request->arena,
                            increment_s == 0 ? request->holder->role->token_ttl_s : increment_s);
        most = span_short(&request->arena, most_s);
        warning = arena_format(&request->arena,
                               "TTL of \"%s\" exceeded the effective max_ttl of \"%s\"; TTL value "
                               "is capped accordingly",
                               wanted, most);
        MUST(warning != NULL);
        reply_warn(reply, warning);
    }
    fields_warn_unknown(&fields, known, reply);
}

void token_revoke(struct devca *devca, struct request *request, struct reply *reply)
{
    tokens_revoke(&devca->tokens, request->holder);
    request->holder = NULL;
    reply_nothing(reply);
}

/* Vault answers twice: in data and beside it, and once more under "capabilities" for one path. */
void token_capabilities(struct devca *devca, struct request *request, struct reply *reply)
{
    struct fields fields = {.body = request->body, .arena = &request->arena};
    bool by_path = !fields_given(&fields, "paths") && fields_given(&fields, "path");
    struct text_list paths = fields_list(&fields, by_path ? "path" : "paths");
    json_t *data;

    (void)devca;
    if (fields.failure != NULL || paths.count == 0) {
        reply_error(reply, 400, "%s",
                    fields.failure != NULL ? fields.failure : "paths must be supplied");
        return;
    }
    data = json_object();
    for (size_t i = 0; i < paths.count; i++) {
        const char *path = paths.items[i] + (paths.items[i][0] == '/');
        json_t *granted = json_pack("[s]", routes_capability(request->holder, path));

        MUST(granted != NULL && json_object_set(data, paths.items[i], granted) == 0);
        if (paths.count == 1)
            MUST(json_object_set(data, "capabilities", granted) == 0);
        json_decref(granted);
    }
    reply_data(reply, json_incref(data), "system");
    MUST(json_object_update_missing(reply->json, data) == 0);
    json_decref(data);
}
