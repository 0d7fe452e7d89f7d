#include "vault/vault_login.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 256 };

struct login {
    struct slot slot;
    struct slot *call;
    struct vault_reply reply;
    struct vault_grant *grant;
    struct secret known; /* the token itself, where the method is token */
    enum auth_method method;
};

static void destroy_login(struct slot *slot)
{
    struct login *login = (struct login *)slot;

    slot_drop(login->call);
    vault_reply_free(&login->reply);
    secret_wipe(&login->known);
    slot_close(&login->slot);
    free(login);
}

/* A token becomes a header: one that holds a line end would be more than one. */
static bool fits_header(const char *token)
{
    for (; *token != '\0'; token++)
        if ((unsigned char)*token <= ' ' || *token == 0x7f)
            return false;
    return true;
}

bool vault_grant_read(const struct vault_reply *reply, struct vault_grant *ret_grant,
                      struct err *err)
{
    const char *token = vault_reply_text(reply, "auth", "client_token");

    if (token == NULL)
        return err_set(err, ERR_UNTRUSTED,
                       "the reply holds no token; is the mount of [auth] right?");
    if (token[0] == '\0')
        return err_set(
            err, ERR_DENIED,
            "the CA wants a second factor for this login; exempt the role from login MFA");
    if (!fits_header(token))
        return err_set(err, ERR_UNTRUSTED, "the reply's token holds a space or control character");
    if (!vault_reply_seconds(reply, "auth", "lease_duration", &ret_grant->lease_s, err) ||
        !secret_copy(&ret_grant->token, token, strlen(token), err))
        return false;
    ret_grant->renewable = vault_reply_true(reply, "auth", "renewable");
    return true;
}

/* Of auth/token/lookup-self: what the login would have told about a token that we hold. */
static bool read_lookup(struct login *login, struct err *err)
{
    if (!vault_reply_seconds(&login->reply, "data", "ttl", &login->grant->lease_s, err))
        return false;
    secret_move(&login->grant->token, &login->known);
    login->grant->renewable = vault_reply_true(&login->reply, "data", "renewable");
    return true;
}

static void on_called(void *arg, const struct err *call_err)
{
    struct login *login = arg;
    struct err err = *call_err;

    /* jwt answers a token that has expired with 400; a fresh one may be in the file any moment. */
    if (err.kind == ERR_REFUSED && err.http_status == 400)
        err.kind = ERR_DENIED;
    if (err.kind == ERR_NONE &&
        (login->method == AUTH_TOKEN ? read_lookup(login, &err)
                                     : vault_grant_read(&login->reply, login->grant, &err)))
        err.kind = ERR_NONE;
    slot_finish(&login->slot, &err);
}

/* Puts the content of a credential's file into the request. */
static bool add_file(json_t *body, const char *name, const char *path, struct err *err)
{
    CLEANUP(secret_wipe) struct secret content = {0};

    if (!file_read_secret(path, &content, err))
        return false;
    if (json_object_set_new(body, name, json_stringn(secret_expose(&content), content.length)) != 0)
        return err_set(err, ERR_LOCAL, "%s holds something that is not UTF-8", path);
    return true;
}

static bool add_text(json_t *body, const char *name, const char *text, struct err *err)
{
    return text == NULL || json_object_set_new(body, name, json_string(text)) == 0 ||
           err_memory(err);
}

static bool fill_jwt(const struct auth_config *auth, json_t *body, struct err *err)
{
    return add_text(body, "role", auth->role, err) && add_file(body, "jwt", auth->token_file, err);
}

static bool fill_approle(const struct auth_config *auth, json_t *body, struct err *err)
{
    if (auth->role_id_file != NULL ? !add_file(body, "role_id", auth->role_id_file, err)
                                   : !add_text(body, "role_id", auth->role_id, err))
        return false;
    return auth->secret_id_file == NULL || add_file(body, "secret_id", auth->secret_id_file, err);
}

static bool fill_cert(const struct auth_config *auth, json_t *body, struct err *err)
{
    return add_text(body, "name", auth->role, err);
}

/* What each method sends; token sends nothing but itself. */
static bool (*const fill[AUTH_METHOD_COUNT])(const struct auth_config *, json_t *, struct err *) = {
    [AUTH_KUBERNETES] = fill_jwt,
    [AUTH_JWT] = fill_jwt,
    [AUTH_APPROLE] = fill_approle,
    [AUTH_CERT] = fill_cert,
};

static bool send_login(struct login *login, const struct vault_client *client, struct err *err)
{
    const struct auth_config *auth = &client->config->auth;
    json_auto_t *body = json_object();
    char path[PATH_BYTES];
    const struct vault_order order = {.method = "POST", .path = path, .body = body};

    if (body == NULL)
        return err_memory(err);
    if (!fill[auth->method](auth, body, err))
        return false;
    snprintf(path, sizeof path, "auth/%s/login", auth->mount);
    login->call = vault_call_start(client, &order, &login->reply, on_called, login, err);
    return login->call != NULL;
}

static bool read_token(const struct auth_config *auth, struct secret *ret_token, struct err *err)
{
    const char *token = getenv("BAO_TOKEN");

    if (auth->token_file != NULL)
        return file_read_secret(auth->token_file, ret_token, err);
    if (token == NULL)
        token = getenv("VAULT_TOKEN");
    if (token == NULL)
        return err_set(err, ERR_LOCAL, "there is neither token_file nor VAULT_TOKEN");
    return secret_copy(ret_token, token, strlen(token), err);
}

static bool send_lookup(struct login *login, const struct vault_client *client, struct err *err)
{
    const struct vault_order order = {
        .method = "GET", .path = "auth/token/lookup-self", .token = &login->known};

    if (!read_token(&client->config->auth, &login->known, err))
        return false;
    login->call = vault_call_start(client, &order, &login->reply, on_called, login, err);
    return login->call != NULL;
}

struct slot *vault_login_start(const struct vault_client *client, struct vault_grant *ret_grant,
                               slot_done *on_done, void *arg, struct err *err)
{
    struct login *login = calloc(1, sizeof *login);
    bool sent;

    if (login == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&login->slot, http_loop_event(client->http), destroy_login, on_done, arg, err)) {
        free(login);
        return NULL;
    }
    login->grant = ret_grant;
    login->method = client->config->auth.method;
    sent = login->method == AUTH_TOKEN ? send_lookup(login, client, err)
                                       : send_login(login, client, err);
    if (sent)
        return &login->slot;
    destroy_login(&login->slot);
    return NULL;
}

void vault_grant_free(struct vault_grant *grant)
{
    secret_wipe(&grant->token);
    *grant = (struct vault_grant){0};
}
