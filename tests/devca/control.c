#include "control.h"

#include "devca.h"

void control_requests(struct devca *devca, struct request *request, struct reply *reply)
{
    (void)request;
    reply_json(reply,
               json_pack("{s:I, s:O}", "total", (json_int_t)devca->total, "paths", devca->counts));
}

void control_faults(struct devca *devca, struct request *request, struct reply *reply)
{
    (void)request;
    reply_json(reply, json_pack("{s:o}", "faults", faults_list(&devca->faults)));
}

void control_add_fault(struct devca *devca, struct request *request, struct reply *reply)
{
    char why[256];

    if (faults_add(&devca->faults, request->body, why, sizeof why))
        reply_nothing(reply);
    else
        reply_error(reply, 400, "%s", why);
}

void control_clear_faults(struct devca *devca, struct request *request, struct reply *reply)
{
    (void)request;
    faults_clear(&devca->faults);
    reply_nothing(reply);
}

void control_rotate(struct devca *devca, struct request *request, struct reply *reply)
{
    const char *common_name = json_string_value(json_object_get(request->body, "common_name"));
    const char *root = json_string_value(json_object_get(request->body, "root"));
    const struct authority *fresh =
        root == NULL ? ca_rotate(&devca->ca, common_name) : ca_rotate_root(&devca->ca, root);

    reply_json(reply, json_pack("{s:s, s:s, s:s}", "issuer_id", fresh->id, "issuer_name",
                                fresh->name, "certificate", fresh->pem));
}

void control_lists(struct devca *devca, struct request *request, struct reply *reply)
{
    devca->ledger.list_life_s =
        (uint64_t)json_integer_value(json_object_get(request->body, "life"));
    devca->ledger.lists_are_old = json_is_true(json_object_get(request->body, "old"));
    reply_nothing(reply);
}

void control_pin(struct devca *devca, struct request *request, struct reply *reply)
{
    const char *name = json_string_value(json_object_get(request->body, "role"));

    if (name != NULL && roles_pin(&devca->roles, name, devca->ca.current->id))
        reply_nothing(reply);
    else
        reply_error(reply, 400, "there is no such role");
}

void control_revoke_tokens(struct devca *devca, struct request *request, struct reply *reply)
{
    (void)request;
    reply_json(reply, json_pack("{s:I}", "revoked", (json_int_t)tokens_revoke_all(&devca->tokens)));
}
