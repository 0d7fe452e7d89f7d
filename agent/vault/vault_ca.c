#include "vault/vault_ca.h"

#include <string.h>

/* Two million bytes list some 40,000 revoked certificates, and decoded take ten times as many. */
enum { PATH_BYTES = 512, LIST_MOST_BYTES = 2 * 1024 * 1024 };

static struct slot *ask(const struct vault_client *client, const char *mount, const char *issuer,
                        const char *what, struct vault_reply *ret_reply, slot_done *on_done,
                        void *arg, struct err *err)
{
    char path[PATH_BYTES];
    const struct vault_order order = {
        .method = "GET", .path = path, .reply_most_bytes = LIST_MOST_BYTES};

    snprintf(path, sizeof path, "%s/issuer/%s/%s", mount, issuer == NULL ? "default" : issuer,
             what);
    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}

struct slot *vault_ca_list_start(const struct vault_client *client, const char *mount,
                                 const char *issuer, struct vault_reply *ret_reply,
                                 slot_done *on_done, void *arg, struct err *err)
{
    return ask(client, mount, issuer, "crl", ret_reply, on_done, arg, err);
}

const char *vault_ca_list(const struct vault_reply *reply)
{
    return vault_reply_text(reply, "data", "crl");
}

struct slot *vault_ca_chain_start(const struct vault_client *client, const char *mount,
                                  const char *issuer, struct vault_reply *ret_reply,
                                  slot_done *on_done, void *arg, struct err *err)
{
    return ask(client, mount, issuer, "json", ret_reply, on_done, arg, err);
}

const char *vault_ca_chain(const struct vault_reply *reply, struct arena *arena)
{
    const char *text = vault_reply_text(reply, "data", "certificate");
    const json_t *chain = json_object_get(json_object_get(reply->json, "data"), "ca_chain");

    /* The issuer itself comes first in its chain as well; parsing drops what comes twice. */
    for (size_t i = 0; text != NULL && i < json_array_size(chain); i++) {
        const char *next = json_string_value(json_array_get(chain, i));

        if (next != NULL)
            text = arena_format(arena, "%s\n%s", text, next);
    }
    return text;
}
