#include "ca/vault_call.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hide.h"
#include "base/json.h"
#include "http/http_call.h"
#include "http/http_origin.h"

#include <string.h>

/* -- replies --------------------------------------------------------------------------------------
 */

enum { DEPTH_MOST = 16, SAID_BYTES = 320, SECONDS_MOST = 10 * 365 * 24 * 60 * 60 };

/* The class of each status (Vault API, HTTP status codes). The first line that covers it wins. */
static const struct meaning {
    int from, to;
    enum err_kind kind;
    const char *words; /* if the CA's reply has no text */
} meanings[] = {
    {403, 403, ERR_DENIED, "permission denied"},
    {408, 408, ERR_TRANSIENT, "request timed out"},
    {412, 412, ERR_TRANSIENT, "not up to date yet"},
    {429, 429, ERR_TRANSIENT, "too many requests"},
    {472, 474, ERR_TRANSIENT, "standby"},
    {400, 499, ERR_REFUSED, "refused"},
    {501, 501, ERR_TRANSIENT, "not initialised"},
    {503, 503, ERR_TRANSIENT, "sealed or not available"},
    {500, 599, ERR_TRANSIENT, "out of order"},
    {300, 399, ERR_TRANSIENT, "redirected"},
    {0, 999, ERR_UNTRUSTED, "a status that this API does not use"},
};

static const struct meaning *meaning_of(int status)
{
    const struct meaning *meaning = meanings;

    while (status < meaning->from || status > meaning->to)
        meaning++;
    return meaning;
}

/* jansson recurses up to 2048 levels on Debian; Vault's replies have five. */
static bool is_shallow(const char *body, size_t length)
{
    unsigned depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < length; i++) {
        char c = body[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > DEPTH_MOST)
            return false;
    }
    return true;
}

/* NULL if the body is no JSON object, or if memory ran out: then *ret_no_memory is set. */
static json_t *load(const char *body, size_t length, bool *ret_no_memory)
{
    json_error_t error = {0};
    json_t *json;

    if (!is_shallow(body, length))
        return NULL;
    json = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(json))
        return json;
    *ret_no_memory = json == NULL && json_error_code(&error) == json_error_out_of_memory;
    json_decref(json);
    return NULL;
}

/* Joins the CA's errors into one line; "" if there are none. */
static void collect_errors(const json_t *json, char to[static SAID_BYTES])
{
    const json_t *errors = json_object_get(json, "errors");
    char all[2 * SAID_BYTES] = "";
    size_t used = 0;

    for (size_t i = 0; i < json_array_size(errors) && used < sizeof all; i++) {
        const char *text = json_string_value(json_array_get(errors, i));

        if (text != NULL)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used == 0 ? "" : "; ",
                                     text);
    }
    hide_foreign(to, SAID_BYTES, all);
}

static bool fail(int status, const json_t *json, struct err *err)
{
    const struct meaning *meaning = meaning_of(status);
    char said[SAID_BYTES];

    collect_errors(json, said);
    err_set(err, meaning->kind, "the CA answered %d: %s", status,
            said[0] == '\0' ? meaning->words : said);
    err->http_status = status;
    return false;
}

bool vault_reply_parse(int status, const char *body, size_t length, struct vault_reply *ret_reply,
                       struct err *err)
{
    bool no_memory = false;
    json_t *json = length == 0 ? NULL : load(body, length, &no_memory);

    if (status < 200 || status > 299) {
        fail(status, json, err);
        json_decref(json);
        return false;
    }
    if (no_memory)
        return err_memory(err);
    if (json == NULL && length > 0)
        return err_set(
            err, ERR_UNTRUSTED,
            "the reply is no JSON object; check that the address is that of Vault or OpenBao");
    if (json_is_object(json_object_get(json, "wrap_info"))) {
        json_decref(json);
        err_set(err, ERR_UNTRUSTED, "the reply is wrapped, which leafd did not ask for");
        err->http_status = status;
        return false;
    }
    *ret_reply = (struct vault_reply){.status = status, .json = json};
    return true;
}

static const json_t *field(const struct vault_reply *reply, const char *object, const char *name)
{
    return json_object_get(json_object_get(reply->json, object), name);
}

const char *vault_reply_text(const struct vault_reply *reply, const char *object, const char *name)
{
    return json_string_value(field(reply, object, name));
}

bool vault_reply_seconds(const struct vault_reply *reply, const char *object, const char *name,
                         uint64_t *ret_seconds, struct err *err)
{
    const json_t *value = field(reply, object, name);
    const char *text = json_string_value(value);
    double seconds = json_is_number(value) ? json_number_value(value) : -1;

    if (text != NULL && duration_parse(text, ret_seconds))
        return true;
    if (text != NULL && text[0] != '\0' && text[strspn(text, "0123456789")] == '\0')
        seconds = strtod(text, NULL);
    if (!(seconds >= 0))
        return err_set(err, ERR_UNTRUSTED, "the reply's %s is no duration in seconds", name);
    *ret_seconds = seconds < SECONDS_MOST ? (uint64_t)seconds : SECONDS_MOST;
    /* Round a fraction of a second up: 0 would mean without end. */
    if (*ret_seconds == 0 && seconds > 0)
        *ret_seconds = 1;
    return true;
}

uint64_t vault_reply_count(const struct vault_reply *reply, const char *object, const char *name)
{
    json_int_t count = json_integer_value(field(reply, object, name));

    return count < 0 ? 0 : (uint64_t)count;
}

bool vault_reply_true(const struct vault_reply *reply, const char *object, const char *name)
{
    return json_is_true(field(reply, object, name));
}

const json_t *vault_reply_warnings(const struct vault_reply *reply)
{
    const json_t *warnings = json_object_get(reply->json, "warnings");

    return json_is_array(warnings) ? warnings : NULL;
}

void vault_reply_free(struct vault_reply *reply)
{
    json_decref(reply->json);
    *reply = (struct vault_reply){0};
}

/* -- calls ----------------------------------------------------------------------------------------
 */

enum { URL_BYTES = 1024, HEADER_BYTES = 300, SINCE_BYTES = 64, BODY_MOST_BYTES = 128 * 1024 };

struct vault_call {
    struct slot slot;
    struct slot *http;
    struct http_loop *loop;
    struct config *config; /* owns the texts that peer points to */
    struct http_peer peer;
    struct http_response response;
    struct vault_reply *reply;
    const char *operation;
    char method[8];
    char path[URL_BYTES];
    char target[HTTP_LOCATION_BYTES]; /* the URL of the redirect */
    char namespace[HEADER_BYTES];     /* the header; "" for none */
    char since[SINCE_BYTES];          /* the header; "" for none */
    struct secret token;
    struct bytes body;
    bool has_body;
    char redirected[2 * HTTP_LOCATION_BYTES]; /* source and target of the redirect, for texts; ""
                                                 none */
    size_t reply_most_bytes;
};

static void destroy_call(struct slot *slot)
{
    struct vault_call *call = (struct vault_call *)slot;

    slot_drop(call->http);
    http_response_free(&call->response);
    secret_wipe(&call->token);
    bytes_free(&call->body);
    config_unref(call->config);
    slot_free(slot);
}

static void on_replied(void *arg, const struct err *err);

static bool send_to(struct vault_call *call, const char *url, struct err *err)
{
    struct http_request request = {
        .peer = &call->peer,
        .operation = call->operation,
        .method = call->method,
        .url = url,
        .headers = {"X-Vault-Request: true"},
        .token = call->token.bytes == NULL ? NULL : &call->token,
        .body = call->has_body ? &call->body : NULL,
        .reply_most_bytes = call->reply_most_bytes,
    };

    size_t count = 1;

    if (call->namespace[0] != '\0')
        request.headers[count++] = call->namespace;
    if (call->since[0] != '\0')
        request.headers[count++] = call->since;
    slot_drop(call->http);
    call->http = http_call_start(call->loop, &request, &call->response, on_replied, call, err);
    return call->http != NULL;
}

static void finish(struct vault_call *call, struct err *err)
{
    if (call->redirected[0] != '\0')
        err_wrap(err, "%s", call->redirected);
    err_wrap(err, "%s %s", call->method, call->path);
    slot_finish(&call->slot, err);
}

/* The length of a URL without its path and query, which may hold confidential values. */
static int origin_length(const char *url)
{
    const char *host = strstr(url, "://");

    return (int)(host == NULL ? strcspn(url, "/?")
                              : strcspn(host + 3, "/?") + (size_t)(host + 3 - url));
}

/* Notes source and target of the redirect: of two in a row, those of the second. */
static void note_redirect(struct vault_call *call)
{
    const char *from = call->redirected[0] == '\0' ? call->config->vault.address : call->target;
    const char *to = call->response.location;
    char said[sizeof call->redirected];

    snprintf(said, sizeof said, "redirected by %.*s to %.*s", origin_length(from), from,
             origin_length(to), to);
    hide_foreign(call->redirected, sizeof call->redirected, said);
    memcpy(call->target, to, sizeof call->target);
}

static bool is_listed(const struct redirect_rule *rule, const struct http_origin *to)
{
    for (size_t i = 0; i < rule->count; i++)
        if ((rule->hosts[i].port == 0 || rule->hosts[i].port == to->port) &&
            http_origin_is_at(to, rule->hosts[i].host))
            return true;
    return false;
}

/*
 * Whether the call may follow the redirect. The host of the address has received the request
 * already. leafd.ini names the other hosts that may receive token and credentials: the trusted CA
 * certificates may cover more servers than the CA, if they are a company's root or the system's.
 */
static bool may_follow(const struct vault_call *call, const struct http_origin *from,
                       const struct http_origin *to, struct err *err)
{
    const struct redirect_rule *rule = &call->config->vault.redirects;
    char target[HTTP_ORIGIN_BYTES];

    if (call->redirected[0] != '\0')
        return err_set(err, ERR_TRANSIENT, "redirected twice; the CA has no leader now");
    if (!to->tls)
        return err_set(err, ERR_UNTRUSTED,
                       "redirected to a URL without https; the CA's api_addr must be an https URL");
    if (to->user)
        return err_set(err, ERR_UNTRUSTED,
                       "redirected to a URL with a user in it; the CA's api_addr must have none");
    if (!rule->none && (http_origin_is_at(to, from->host) || is_listed(rule, to)))
        return true;
    http_origin_text(to, target);
    return err_set(err, ERR_TRANSIENT,
                   "leafd does not follow redirects to that host and sent nothing there; if it is "
                   "a server of the CA, write redirects = %s in [vault] of leafd.ini%s, or let "
                   "address lead to the active server",
                   target,
                   rule->none        ? " in place of no"
                   : rule->count > 0 ? " as one more line"
                                     : "");
}

/* A redirect to the configured server keeps tls_server_name; for any other host the URL's name is
 * verified. */
static bool send_on(struct vault_call *call, const struct http_origin *from,
                    const struct http_origin *to, const char *url, struct err *err)
{
    if (!http_origin_is_at(to, from->host))
        call->peer.tls_server_name = NULL;
    return send_to(call, url, err);
}

static void follow(struct vault_call *call)
{
    char url[HTTP_LOCATION_BYTES], from_text[HTTP_ORIGIN_BYTES], to_text[HTTP_ORIGIN_BYTES];
    struct http_redirect redirect = {.from = from_text, .to = to_text};
    struct http_origin from, to;
    struct err err;
    bool follows;

    memcpy(url, call->response.location, sizeof url);
    if (!http_origin_of(call->redirected[0] == '\0' ? call->config->vault.address : call->target,
                        &from) ||
        !http_origin_of(url, &to)) {
        err_set(&err, ERR_TRANSIENT, "redirected to a text that is no URL of a server");
        finish(call, &err);
        return;
    }
    follows = may_follow(call, &from, &to, &err);
    http_origin_text(&from, from_text);
    http_origin_text(&to, to_text);
    redirect.why_not = follows ? NULL : err.text;
    http_loop_tell_redirect(call->loop, &redirect);
    note_redirect(call);
    if (follows && send_on(call, &from, &to, url, &err))
        return;
    /* A new connection may reach another server, which does not redirect. */
    if (!follows)
        http_loop_renew(call->loop);
    finish(call, &err);
}

static void on_replied(void *arg, const struct err *http_err)
{
    struct vault_call *call = arg;
    const struct http_response *response = &call->response;
    struct err err = *http_err;

    if (err.kind != ERR_NONE) {
        finish(call, &err);
        return;
    }
    if ((response->status == 307 || response->status == 301) && response->location[0] != '\0') {
        follow(call);
        return;
    }
    if (response->status == 304 && call->since[0] != '\0') {
        *call->reply = (struct vault_reply){.status = 304, .date_s = response->date_s};
        slot_finish(&call->slot, NULL);
        return;
    }
    if (vault_reply_parse(response->status, bytes_text(&response->body), response->body.length,
                          call->reply, &err)) {
        call->reply->date_s = response->date_s;
        slot_finish(&call->slot, NULL);
        return;
    }
    err.retry_after_s = response->retry_after_s;
    if (response->location[0] != '\0')
        note_redirect(call);
    finish(call, &err);
}

/* RFC 9110 section 5.6.7. */
static void keep_since(struct vault_call *call, uint64_t since_s)
{
    time_t moment = (time_t)since_s;
    struct tm parts;

    if (since_s != 0 && gmtime_r(&moment, &parts) != NULL)
        strftime(call->since, sizeof call->since, "If-Modified-Since: %a, %d %b %Y %H:%M:%S GMT",
                 &parts);
}

static bool keep_order(struct vault_call *call, const struct vault_client *client,
                       const struct vault_order *order, struct err *err)
{
    const struct vault_config *vault = &client->config->vault;
    CLEANUP(free_memory) char *body = NULL;

    snprintf(call->method, sizeof call->method, "%s", order->method);
    snprintf(call->path, sizeof call->path, "/v1/%s", order->path);
    if (vault->namespace != NULL)
        snprintf(call->namespace, sizeof call->namespace, "X-Vault-Namespace: %s",
                 vault->namespace);
    keep_since(call, order->since_s);
    call->peer = (struct http_peer){
        .ca_file = vault->ca_file,
        .ca_path = vault->ca_path,
        .tls_server_name = vault->tls_server_name,
        .client_certificate = vault->client_certificate,
        .client_key = vault->client_key,
        .proxy = vault->proxy,
        .timeout_s = vault->timeout_s,
        .connect_timeout_s = vault->connect_timeout_s,
    };
    if (order->token != NULL &&
        !secret_copy(&call->token, secret_expose(order->token), order->token->length, err))
        return false;
    if (order->body == NULL)
        return true;
    call->has_body = true;
    call->body.limit = BODY_MOST_BYTES;
    body = json_text(order->body, JSON_COMPACT);
    if (body == NULL || !bytes_add(&call->body, body, strlen(body)))
        err_memory(err);
    if (body != NULL)
        explicit_bzero(body, strlen(body));
    return call->body.length > 0;
}

struct slot *vault_call_start(const struct vault_client *client, const struct vault_order *order,
                              struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                              struct err *err)
{
    struct vault_call *call =
        slot_new(sizeof *call, http_loop_event(client->http), destroy_call, on_done, arg, err);
    char url[2 * URL_BYTES];

    if (call == NULL)
        return NULL;
    call->loop = client->http;
    call->config = config_ref(client->config);
    call->reply = ret_reply;
    call->operation = order->operation;
    call->reply_most_bytes = order->reply_most_bytes;
    snprintf(url, sizeof url, "%s/v1/%s", client->config->vault.address, order->path);
    if (keep_order(call, client, order, err) && send_to(call, url, err))
        return &call->slot;
    destroy_call(&call->slot);
    return NULL;
}
