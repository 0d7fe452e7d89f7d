#include "ca/vault_revoke.h"

struct slot *vault_revoke_start(const struct vault_client *client, const struct secret *token,
                                const char *pki_mount, const char *serial, const char *pem,
                                struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                struct err *err)
{
    json_auto_t *body = pem == NULL ? json_pack("{s:s}", "serial_number", serial)
                                    : json_pack("{s:s}", "certificate", pem);
    char path[256];
    const struct vault_order order = {.method = "POST", .path = path, .body = body, .token = token};

    if (body == NULL) {
        err_memory(err);
        return NULL;
    }
    snprintf(path, sizeof path, "%s/revoke", pki_mount);
    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}
