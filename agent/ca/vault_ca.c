#include "ca/vault_ca.h"

#include <stdio.h>

/* Two million bytes list some 40,000 revoked certificates, and decoded take ten times as many. */
enum { PATH_BYTES = 512, LIST_MOST_BYTES = 2 * 1024 * 1024 };

static struct slot *get(const struct vault_client *client, const char *path, uint64_t since_s,
                        struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                        struct err *err)
{
    const struct vault_order order = {.method = "GET", .path = path, .since_s = since_s};

    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}

struct slot *vault_ca_issuer_start(const struct vault_client *client, const char *mount,
                                   const char *issuer, uint64_t since_s,
                                   struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                   struct err *err)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/issuer/%s/json", mount, issuer == NULL ? "default" : issuer);
    return get(client, path, since_s, ret_reply, on_done, arg, err);
}

const char *vault_ca_certificate(const struct vault_reply *reply)
{
    return vault_reply_text(reply, "data", "certificate");
}

struct slot *vault_ca_own_start(const struct vault_client *client, const char *mount,
                                const char *serial, struct vault_reply *ret_reply,
                                slot_done *on_done, void *arg, struct err *err)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/cert/%s", mount, serial);
    return get(client, path, 0, ret_reply, on_done, arg, err);
}

bool vault_ca_is_revoked(const struct vault_reply *reply)
{
    const json_t *data = json_object_get(reply->json, "data");

    return json_number_value(json_object_get(data, "revocation_time")) > 0;
}

struct slot *vault_ca_issuers_start(const struct vault_client *client, const char *mount,
                                    struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                    struct err *err)
{
    char path[PATH_BYTES];
    const struct vault_order order = {.method = "LIST", .path = path};

    snprintf(path, sizeof path, "%s/issuers", mount);
    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}

const char *vault_ca_issuer_id(const struct vault_reply *reply, size_t index)
{
    const json_t *keys = json_object_get(json_object_get(reply->json, "data"), "keys");

    return json_string_value(json_array_get(keys, index));
}

struct slot *vault_ca_list_start(const struct vault_client *client, const char *mount,
                                 const char *issuer, struct vault_reply *ret_reply,
                                 slot_done *on_done, void *arg, struct err *err)
{
    char path[PATH_BYTES];
    const struct vault_order order = {
        .method = "GET", .path = path, .reply_most_bytes = LIST_MOST_BYTES};

    snprintf(path, sizeof path, "%s/issuer/%s/crl", mount, issuer);
    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}

const char *vault_ca_list(const struct vault_reply *reply)
{
    return vault_reply_text(reply, "data", "crl");
}
