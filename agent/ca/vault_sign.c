#include "ca/vault_sign.h"

#include "base/hide.h"

#include <stdlib.h>
#include <string.h>

enum { REQUEST_ID_BYTES = 64 /* a UUID, with room */, WARNING_BYTES = 800 };

struct signing {
    struct slot slot;
    struct slot *call;
    struct vault_reply reply;
    struct ca_signed *result;
};

static void destroy_signing(struct slot *slot)
{
    struct signing *signing = (struct signing *)slot;

    slot_drop(signing->call);
    vault_reply_free(&signing->reply);
    slot_free(slot);
}

void vault_sign_path(const struct cert_config *cert, char to[static VAULT_PATH_BYTES])
{
    const char *verb = cert->key_origin.source == KEY_FROM_VAULT ? "issue" : "sign";

    if (cert->issuer != NULL)
        snprintf(to, VAULT_PATH_BYTES, "%s/issuer/%s/%s/%s", cert->pki_mount, cert->issuer, verb,
                 cert->pki_role);
    else
        snprintf(to, VAULT_PATH_BYTES, "%s/%s/%s", cert->pki_mount, verb, cert->pki_role);
}

static bool take_warnings(const struct vault_reply *reply, struct ca_signed *result)
{
    const json_t *warnings = vault_reply_warnings(reply);
    char said[WARNING_BYTES];

    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = json_string_value(json_array_get(warnings, i));

        if (text == NULL)
            continue;
        hide_foreign(said, sizeof said, text);
        if (!text_list_add(&result->warnings, &result->arena, said, strlen(said)))
            return false;
    }
    return true;
}

/* Takes ownership of the reply; the result's parts point into it. */
static bool take_parts(struct vault_reply *reply, struct ca_signed *result, struct err *err)
{
    const json_t *data = json_object_get(reply->json, "data");
    const json_t *chain = json_object_get(data, "ca_chain");
    const char *id = json_string_value(json_object_get(reply->json, "request_id"));
    const char *lease = json_string_value(json_object_get(reply->json, "lease_id"));
    char *shown_id = arena_take(&result->arena, REQUEST_ID_BYTES);

    result->leased = lease != NULL && lease[0] != '\0';
    if (shown_id == NULL || !take_warnings(reply, result))
        return err_memory(err);
    hide_foreign(shown_id, REQUEST_ID_BYTES, id == NULL ? "" : id);
    result->request_id = shown_id;
    result->parts.certificate = json_string_value(json_object_get(data, "certificate"));
    result->parts.issuing_ca = json_string_value(json_object_get(data, "issuing_ca"));
    result->private_key = json_string_value(json_object_get(data, "private_key"));
    for (size_t i = 0; i < json_array_size(chain); i++) {
        const char *pem = json_string_value(json_array_get(chain, i));

        if (pem != NULL &&
            !text_list_add(&result->parts.ca_chain, &result->arena, pem, strlen(pem)))
            return err_memory(err);
    }
    result->json = json_incref(reply->json);
    if (result->parts.certificate != NULL)
        return true;
    err_set(err, ERR_UNTRUSTED, "the reply holds no certificate");
    err->http_status = reply->status;
    return false;
}

/*
 * Remedies in leafd's own configuration for the refusals of a role: the CA's texts name only the
 * CA's settings (Vault, builtin/logical/pki).
 */
static const struct remedy {
    const char *said, *advice;
} remedies[] = {
    {"role requires keys of type rsa", "set key_type = rsa-2048"},
    {"role requires keys of type ec", "set key_type = ecdsa-p256"},
    {"role requires keys of type ed25519", "set key_type = ed25519"},
    {"role requires a minimum of a", "set a larger key_type, such as rsa-4096 or ecdsa-p384"},
    {"common_name field is required", "set common_name, or require_cn = false in the role"},
    {"subject alternate name", "if the role has use_csr_sans = false, set request_names = yes; "
                               "else check the role's allowed_domains"},
    {"IP Subject Alternative Name", "drop ip_addresses, or set allow_ip_sans in the role"},
    {"URI Subject Alternative Name", "check uris, and allowed_uri_sans of the role"},
    {"unknown role", "check pki_mount and pki_role"},
    {"beyond the expiration of the CA", "set a shorter ttl; the CA's own certificate expires soon"},
};

static void add_remedy(struct err *err)
{
    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++) {
        if (strstr(err->text, remedies[i].said) != NULL) {
            err_append(err, "; %s", remedies[i].advice);
            return;
        }
    }
}

static void on_called(void *arg, const struct err *call_err)
{
    struct signing *signing = arg;
    struct err err = *call_err;

    if (err.kind == ERR_REFUSED)
        add_remedy(&err);
    if (err.kind == ERR_NONE && take_parts(&signing->reply, signing->result, &err))
        err.kind = ERR_NONE;
    slot_finish(&signing->slot, &err);
}

/* Adds NAME: "a,b,c" from one or two lists, unless both are empty. */
static bool add_list(json_t *body, const char *name, const struct text_list *list,
                     const struct text_list *more)
{
    struct arena arena = {0};
    const char *joined = "";
    bool added;

    for (size_t i = 0; joined != NULL && i < list->count; i++)
        joined =
            arena_format(&arena, "%s%s%s", joined, joined[0] == '\0' ? "" : ",", list->items[i]);
    for (size_t i = 0; joined != NULL && more != NULL && i < more->count; i++)
        joined =
            arena_format(&arena, "%s%s%s", joined, joined[0] == '\0' ? "" : ",", more->items[i]);
    added = joined != NULL &&
            (joined[0] == '\0' || json_object_set_new(body, name, json_string(joined)) == 0);
    arena_free(&arena);
    return added;
}

static bool add_names(json_t *body, const struct names *names)
{
    return (names->common_name == NULL ||
            json_object_set_new(body, "common_name", json_string(names->common_name)) == 0) &&
           add_list(body, "alt_names", &names->dns, &names->email) &&
           add_list(body, "ip_sans", &names->ip, NULL) &&
           add_list(body, "uri_sans", &names->uri, NULL);
}

static json_t *request_body(const struct cert_config *cert, const char *csr)
{
    json_auto_t *body = json_object();
    char ttl[32];
    bool filled = body != NULL;

    if (filled && csr != NULL)
        filled = json_object_set_new(body, "csr", json_string(csr)) == 0;
    if (filled && (csr == NULL || cert->request_names))
        filled = add_names(body, &cert->request.names);
    if (filled && cert->request.ttl_s != 0) {
        snprintf(ttl, sizeof ttl, "%llus", (unsigned long long)cert->request.ttl_s);
        filled = json_object_set_new(body, "ttl", json_string(ttl)) == 0;
    }
    return filled ? json_incref(body) : NULL;
}

struct slot *vault_sign_start(const struct vault_client *client, const struct secret *token,
                              const struct cert_config *cert, const char *csr,
                              struct ca_signed *ret_signed, slot_done *on_done, void *arg,
                              struct err *err)
{
    struct signing *signing = slot_new(sizeof *signing, http_loop_event(client->http),
                                       destroy_signing, on_done, arg, err);
    json_auto_t *body = request_body(cert, csr);
    char path[VAULT_PATH_BYTES];
    const struct vault_order order = {.operation = csr == NULL ? "issue" : "sign",
                                      .method = "POST",
                                      .path = path,
                                      .body = body,
                                      .token = token};

    if (signing == NULL)
        return NULL;
    if (body == NULL) {
        err_memory(err);
        destroy_signing(&signing->slot);
        return NULL;
    }
    signing->result = ret_signed;
    vault_sign_path(cert, path);
    signing->call = vault_call_start(client, &order, &signing->reply, on_called, signing, err);
    if (signing->call != NULL)
        return &signing->slot;
    destroy_signing(&signing->slot);
    return NULL;
}

struct slot *vault_revoke_start(const struct vault_client *client, const struct secret *token,
                                const char *pki_mount, const char *serial, const char *pem,
                                struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                struct err *err)
{
    json_auto_t *body = pem == NULL ? json_pack("{s:s}", "serial_number", serial)
                                    : json_pack("{s:s}", "certificate", pem);
    char path[256];
    const struct vault_order order = {
        .operation = "revoke", .method = "POST", .path = path, .body = body, .token = token};

    if (body == NULL) {
        err_memory(err);
        return NULL;
    }
    if (token == NULL) {
        err_set(err, ERR_DENIED, "the token has no uses left; raise token_num_uses");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/revoke", pki_mount);
    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}
