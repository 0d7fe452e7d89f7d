#include "vault/vault_capabilities.h"

#include <string.h>

struct slot *vault_capabilities_start(const struct vault_client *client, const struct secret *token,
                                      const struct text_list *paths, struct vault_reply *ret_reply,
                                      slot_done *on_done, void *arg, struct err *err)
{
    json_t *list = json_array();
    json_auto_t *body = json_pack("{s:o}", "paths", list);
    const struct vault_order order = {
        .method = "POST", .path = "sys/capabilities-self", .body = body, .token = token};

    for (size_t i = 0; body != NULL && i < paths->count; i++) {
        if (json_array_append_new(list, json_string(paths->items[i])) != 0) {
            err_memory(err);
            return NULL;
        }
    }
    if (body == NULL) {
        err_memory(err);
        return NULL;
    }
    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}

bool vault_capability_has(const struct vault_reply *reply, const char *path, const char *capability)
{
    const json_t *granted = json_object_get(json_object_get(reply->json, "data"), path);

    for (size_t i = 0; i < json_array_size(granted); i++) {
        const char *word = json_string_value(json_array_get(granted, i));

        if (word != NULL && (strcmp(word, capability) == 0 || strcmp(word, "root") == 0))
            return true;
    }
    return false;
}
