#include "ca/vault_call.h"

#include "base/cleanup.h"
#include "base/hide.h"
#include "base/json.h"
#include "http/http_call.h"
#include "http/http_origin.h"

#include <string.h>

enum { URL_BYTES = 1024, HEADER_BYTES = 300, SINCE_BYTES = 64, BODY_MOST_BYTES = 128 * 1024 };

struct vault_call {
    struct slot slot;
    struct slot *http;
    struct http_loop *loop;
    struct config *config; /* holds the texts that peer points to */
    struct http_peer peer;
    struct http_response response;
    struct vault_reply *reply;
    char method[8];
    char path[URL_BYTES];
    char target[HTTP_LOCATION_BYTES]; /* where it was redirected to */
    char namespace[HEADER_BYTES];     /* the header; "" for none */
    char since[SINCE_BYTES];          /* the header; "" for none */
    struct secret token;
    struct bytes body;
    bool has_body;
    char redirected[2 * HTTP_LOCATION_BYTES]; /* who redirected, and where to; "" nobody did */
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
    slot_close(&call->slot);
    free(call);
}

static void on_replied(void *arg, const struct err *err);

static bool send_to(struct vault_call *call, const char *url, struct err *err)
{
    struct http_request request = {
        .peer = &call->peer,
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

/* The length of a URL without its path and query, which may hold what is nobody's business. */
static int origin_length(const char *url)
{
    const char *host = strstr(url, "://");

    return (int)(host == NULL ? strcspn(url, "/?")
                              : strcspn(host + 3, "/?") + (size_t)(host + 3 - url));
}

/* Who redirected, and where to: of two in a row, the second. */
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
 * Whether the call may go there. The host of the address has had the request already. Who else may
 * have token and credentials is for leafd.ini to say: what the trust covers is more than the CA
 * where it is a company's root or the system's.
 */
static bool may_follow(const struct vault_call *call, const struct http_origin *from,
                       const struct http_origin *to, struct err *err)
{
    const struct redirect_rule *rule = &call->config->vault.redirects;
    char target[HTTP_ORIGIN_BYTES];

    if (call->redirected[0] != '\0')
        return err_set(err, ERR_TRANSIENT, "redirected twice; the CA has no leader just now");
    if (!to->tls)
        return err_set(
            err, ERR_UNTRUSTED,
            "redirected to somewhere without https; the CA's api_addr must be an https URL");
    if (to->user)
        return err_set(err, ERR_UNTRUSTED,
                       "redirected to a URL with a user in it; the CA's api_addr must have none");
    if (!rule->none && (http_origin_is_at(to, from->host) || is_listed(rule, to)))
        return true;
    http_origin_text(to, target);
    return err_set(err, ERR_TRANSIENT,
                   "redirects there are not followed, and nothing was sent there; if it is a "
                   "server of the CA, write redirects = %s in [vault] of leafd.ini%s, or let "
                   "address lead to the active server",
                   target,
                   rule->none        ? " in place of no"
                   : rule->count > 0 ? " as one more line"
                                     : "");
}

/* One of the server that we know is verified by the name for it. */
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
        err_set(&err, ERR_TRANSIENT, "redirected to what is no URL of a server");
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
    /* A new connection may lead to another server, which needs not redirect. */
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
    struct vault_call *call = calloc(1, sizeof *call);
    char url[2 * URL_BYTES];

    if (call == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&call->slot, http_loop_event(client->http), destroy_call, on_done, arg, err)) {
        free(call);
        return NULL;
    }
    call->loop = client->http;
    call->config = config_ref(client->config);
    call->reply = ret_reply;
    call->reply_most_bytes = order->reply_most_bytes;
    snprintf(url, sizeof url, "%s/v1/%s", client->config->vault.address, order->path);
    if (keep_order(call, client, order, err) && send_to(call, url, err))
        return &call->slot;
    destroy_call(&call->slot);
    return NULL;
}
