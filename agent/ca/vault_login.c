#include "ca/vault_login.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/file.h"
#include "ca/credentials.h"
#include "config/token_claims.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 256 };

/* The credentials of a login. A worker reads them, because their file system may hang. */
struct reading {
    struct config *config;
    struct secret token; /* for the method token */
    json_t *body;        /* for the other methods */
    char claims[CLAIMS_TEXT_BYTES];
};

struct login {
    struct slot slot;
    struct slot *reader;
    struct reading *reading; /* borrowed from the worker's job */
    sd_event_source *limit;
    struct slot *call, *probe; /* probe: checks after a denial whether the mount exists */
    struct http_loop *http;
    struct config *config;
    struct vault_reply reply;
    struct vault_grant *grant;
    struct err denied;
    enum auth_method method;
    char claims[CLAIMS_TEXT_BYTES]; /* the claims of the token that was sent; "" if none was sent */
};

static void destroy_login(struct slot *slot)
{
    struct login *login = (struct login *)slot;

    slot_drop(login->reader);
    sd_event_source_disable_unref(login->limit);
    slot_drop(login->call);
    slot_drop(login->probe);
    vault_reply_free(&login->reply);
    config_unref(login->config);
    slot_free(slot);
}

/* A token becomes a header: a line end in it would start another header. */
static bool fits_header(const char *token)
{
    for (; *token != '\0'; token++)
        if ((unsigned char)*token <= ' ' || *token == 0x7f)
            return false;
    return true;
}

static void read_uses(const struct vault_reply *reply, const char *object,
                      struct vault_grant *grant)
{
    const json_t *uses = json_object_get(json_object_get(reply->json, object), "num_uses");

    grant->uses = vault_reply_count(reply, object, "num_uses");
    grant->is_unlimited = json_is_integer(uses) && json_integer_value(uses) == 0;
}

/* Tokens have some hundred bytes, and batch tokens a few thousand. A longer one would not pass the
 * header limits of proxies, and costs memory for as long as its pieces are hidden (base/hide). */
enum { TOKEN_MOST_BYTES = 16 * 1024 };

bool vault_grant_read(const struct vault_reply *reply, struct vault_grant *ret_grant,
                      struct err *err)
{
    const char *token = vault_reply_text(reply, "auth", "client_token");

    if (token == NULL)
        return err_set(err, ERR_UNTRUSTED, "the reply holds no token; check mount in [auth]");
    if (token[0] == '\0')
        return err_set(
            err, ERR_DENIED,
            "the CA wants a second factor for this login; exempt the role from login MFA");
    if (strlen(token) > TOKEN_MOST_BYTES)
        return err_set(err, ERR_UNTRUSTED, "the token in the reply has more than %d bytes",
                       TOKEN_MOST_BYTES);
    if (!fits_header(token))
        return err_set(err, ERR_UNTRUSTED,
                       "the token in the reply holds a space or control character");
    if (!vault_reply_seconds(reply, "auth", "lease_duration", &ret_grant->lease_s, err) ||
        !secret_copy(&ret_grant->token, token, strlen(token), err))
        return false;
    read_uses(reply, "auth", ret_grant);
    ret_grant->renewable = vault_reply_true(reply, "auth", "renewable");
    return true;
}

bool vault_lookup_read(const struct vault_reply *reply, struct vault_grant *grant, struct err *err)
{
    if (!vault_reply_seconds(reply, "data", "ttl", &grant->lease_s, err))
        return false;
    read_uses(reply, "data", grant);
    grant->renewable = vault_reply_true(reply, "data", "renewable");
    grant->unknown = false;
    return true;
}

/*
 * At a missing mount there is no login endpoint: the CA requires a token for the path and answers
 * 403 to an empty login as well. An existing mount answers that parameters are missing.
 */
static void on_probed(void *arg, const struct err *probe_err)
{
    struct login *login = arg;
    struct err err = login->denied;
    const char *mount = login->config->auth.mount;

    if (probe_err->http_status == 403)
        err_append(
            &err,
            "; there is no auth method at auth/%s: check mount in [auth] and namespace in [vault]",
            mount);
    else if (probe_err->http_status >= 400 && login->method == AUTH_KUBERNETES)
        err_append(
            &err,
            "; auth/%s exists: either the ServiceAccount was deleted or created again after this "
            "token was issued, or the CA cannot review tokens (token_reviewer_jwt expired, no "
            "system:auth-delegator, API server not reachable), and then no pod can log in",
            mount);
    slot_finish(&login->slot, &err);
}

static bool probe_mount(struct login *login, const struct err *denied)
{
    const struct vault_client client = {login->http, login->config};
    json_auto_t *body = json_object();
    char path[PATH_BYTES];
    const struct vault_order order = {
        .operation = "login", .method = "POST", .path = path, .body = body};
    struct err err;

    login->denied = *denied;
    snprintf(path, sizeof path, "auth/%s/login", login->config->auth.mount);
    vault_reply_free(&login->reply);
    login->probe = body == NULL
                       ? NULL
                       : vault_call_start(&client, &order, &login->reply, on_probed, login, &err);
    return login->probe != NULL;
}

static void on_called(void *arg, const struct err *call_err)
{
    struct login *login = arg;
    struct err err = *call_err;

    /* The method jwt answers an expired token with 400; kubelet may write a fresh one at any time.
     */
    if (err.kind == ERR_REFUSED && err.http_status == 400)
        err.kind = ERR_DENIED;
    if (err.kind == ERR_DENIED) {
        /* The CA's 403 does not name the claims. */
        if (login->claims[0] != '\0')
            err_append(&err, "; %s", login->claims);
        if (err.http_status == 403 && strstr(err.text, "permission denied") != NULL &&
            probe_mount(login, &err))
            return;
    }
    if (err.kind == ERR_NONE && vault_grant_read(&login->reply, login->grant, &err))
        err.kind = ERR_NONE;
    slot_finish(&login->slot, &err);
}

/* -- credentials, on a worker ---------------------------------------------------------------------
 */

/* Adds the content of a credential file to the request. */
static bool add_file(json_t *body, const char *name, const char *path, struct err *err)
{
    CLEANUP(secret_wipe) struct secret content = {0};

    if (!file_read_secret(path, &content, err))
        return false;
    if (json_object_set_new(body, name, json_stringn(secret_expose(&content), content.length)) != 0)
        return err_set(err, ERR_LOCAL, "the content of %s is not UTF-8", path);
    return true;
}

static bool add_text(json_t *body, const char *name, const char *text, struct err *err)
{
    return text == NULL || json_object_set_new(body, name, json_string(text)) == 0 ||
           err_memory(err);
}

static bool fill_jwt(const struct auth_config *auth, struct reading *reading, struct err *err)
{
    const char *jwt;

    if (!add_text(reading->body, "role", auth->role, err) ||
        !add_file(reading->body, "jwt", auth->token_file, err))
        return false;
    /* Keep the claims now: the file may hold another token when the answer comes. */
    jwt = json_string_value(json_object_get(reading->body, "jwt"));
    token_claims_tell(jwt, clock_now_s(), reading->claims);
    return true;
}

static bool fill_approle(const struct auth_config *auth, struct reading *reading, struct err *err)
{
    json_t *body = reading->body;

    if (auth->role_id_file != NULL ? !add_file(body, "role_id", auth->role_id_file, err)
                                   : !add_text(body, "role_id", auth->role_id, err))
        return false;
    return auth->secret_id_file == NULL || add_file(body, "secret_id", auth->secret_id_file, err);
}

static bool fill_cert(const struct auth_config *auth, struct reading *reading, struct err *err)
{
    return add_text(reading->body, "name", auth->role, err);
}

static bool read_token(const struct auth_config *auth, struct reading *reading, struct err *err)
{
    const struct secret *token = environment_token();

    if (auth->token_file != NULL) {
        if (!file_read_secret(auth->token_file, &reading->token, err))
            return false;
    } else if (token == NULL) {
        return err_set(err, ERR_LOCAL, "neither token_file nor VAULT_TOKEN is set");
    } else if (!secret_copy(&reading->token, secret_expose(token), token->length, err)) {
        return false;
    }
    return fits_header(secret_expose(&reading->token)) ||
           err_set(err, ERR_LOCAL, "the token holds a space or control character");
}

/* Fills in the credentials of each method; the method token sends no login. */
static bool (*const fill[AUTH_METHOD_COUNT])(const struct auth_config *, struct reading *,
                                             struct err *) = {
    [AUTH_KUBERNETES] = fill_jwt, [AUTH_JWT] = fill_jwt,     [AUTH_APPROLE] = fill_approle,
    [AUTH_CERT] = fill_cert,      [AUTH_TOKEN] = read_token,
};

static bool run_reading(void *job, struct err *err)
{
    struct reading *reading = job;
    const struct auth_config *auth = &reading->config->auth;

    reading->body = json_object();
    return reading->body == NULL ? err_memory(err) : fill[auth->method](auth, reading, err);
}

static void free_reading(void *job)
{
    struct reading *reading = job;

    secret_wipe(&reading->token);
    json_decref(reading->body);
    config_unref(reading->config);
    free(reading);
}

/* -- the login ------------------------------------------------------------------------------------
 */

static bool send_login(struct login *login, const struct reading *reading, struct err *err)
{
    const struct vault_client client = {login->http, login->config};
    char path[PATH_BYTES];
    const struct vault_order order = {
        .operation = "login", .method = "POST", .path = path, .body = reading->body};

    memcpy(login->claims, reading->claims, sizeof login->claims);
    snprintf(path, sizeof path, "auth/%s/login", login->config->auth.mount);
    login->call = vault_call_start(&client, &order, &login->reply, on_called, login, err);
    return login->call != NULL;
}

static void on_read(void *arg, const struct err *read_err)
{
    struct login *login = arg;
    struct err err = *read_err;
    bool sent = false;

    sd_event_source_set_enabled(login->limit, SD_EVENT_OFF);
    if (err.kind == ERR_NONE && login->method == AUTH_TOKEN) {
        /* Use the token without a look-up: that follows once the token has worked. */
        secret_move(&login->grant->token, &login->reading->token);
        login->grant->unknown = true;
    } else if (err.kind == ERR_NONE) {
        sent = send_login(login, login->reading, &err);
    }
    login->reading = NULL;
    login->reader = slot_drop(login->reader);
    if (!sent)
        slot_finish(&login->slot, &err);
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct login *login = arg;
    struct err err;

    (void)source;
    (void)now_us;
    login->reading = NULL;
    login->reader = slot_drop(login->reader);
    err_set(
        &err, ERR_LOCAL,
        "the files of [auth] could not be read within %llus; check whether their file system hangs",
        (unsigned long long)login->config->vault.timeout_s);
    slot_finish(&login->slot, &err);
    return 0;
}

static bool read_credentials(struct login *login, struct workers *workers, struct err *err)
{
    const struct lane_key lane = credentials_lane(login->config);
    struct reading *reading = calloc(1, sizeof *reading);
    int r;

    if (reading == NULL)
        return err_memory(err);
    reading->config = config_ref(login->config);
    login->reading = reading;
    login->reader = worker_start_in(workers, &lane, WORK_NEXT, run_reading, reading, free_reading,
                                    on_read, login, err);
    if (login->reader == NULL)
        return false;
    r = sd_event_add_time_relative(http_loop_event(login->http), &login->limit, CLOCK_BOOTTIME,
                                   login->config->vault.timeout_s * 1000000ULL, 0, on_limit, login);
    return r >= 0 || err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
}

struct slot *vault_lookup_start(const struct vault_client *client, const struct secret *token,
                                struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                struct err *err)
{
    const struct vault_order order = {.operation = "token-lookup",
                                      .method = "GET",
                                      .path = "auth/token/lookup-self",
                                      .token = token};

    return vault_call_start(client, &order, ret_reply, on_done, arg, err);
}

struct slot *vault_login_start(const struct vault_client *client, struct workers *workers,
                               struct vault_grant *ret_grant, slot_done *on_done, void *arg,
                               struct err *err)
{
    struct login *login =
        slot_new(sizeof *login, http_loop_event(client->http), destroy_login, on_done, arg, err);

    if (login == NULL)
        return NULL;
    login->grant = ret_grant;
    login->method = client->config->auth.method;
    login->http = client->http;
    login->config = config_ref(client->config);
    if (read_credentials(login, workers, err))
        return &login->slot;
    destroy_login(&login->slot);
    return NULL;
}

bool vault_login_is_sent(const struct slot *slot)
{
    const struct login *login = (const struct login *)slot;

    return login->call != NULL;
}

void vault_grant_free(struct vault_grant *grant)
{
    secret_wipe(&grant->token);
    *grant = (struct vault_grant){0};
}
