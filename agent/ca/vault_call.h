/*
 * vault_call - sends one request to the CA's HTTP API; gives the reply's fields or a class of
 * failure
 *
 * Adds the common headers (X-Vault-Request, the namespace, the token) and follows a standby's 307
 * by these rules: one hop, https only, verified against the same CAs, and only to the host of the
 * address and those that `redirects` names. Each redirect is reported to the loop.
 *
 * One table gives the class of each status. The body may be anything: proxies answer in HTML, raw
 * endpoints with an empty body, and a middlebox may send any bytes.
 */
#ifndef LEAFD_CA_VAULT_CALL_H
#define LEAFD_CA_VAULT_CALL_H

#include "base/secret.h"
#include "base/slot.h"
#include "config/config.h"
#include "http/http_loop.h"

#include <jansson.h>

/* Initialise with {0}, end with vault_reply_free. */
struct vault_reply {
    int status;
    json_t *json;    /* the whole reply; NULL for an empty body */
    uint64_t date_s; /* the CA's time, in seconds since 1970; 0: no Date header */
};

/* The context of all calls; borrows both. A call takes its own reference of the configuration. */
struct vault_client {
    struct http_loop *http;
    struct config *config;
};

struct vault_order {
    const char *operation;      /* what it is for, one of a few static words, for metrics */
    const char *method;         /* "GET", "POST" */
    const char *path;           /* below /v1/, without a slash at its start or end */
    json_t *body;               /* borrowed; NULL: none */
    const struct secret *token; /* NULL for logins and public paths */
    size_t reply_most_bytes;    /* 0: the limit of http_call */
    uint64_t since_s;           /* for If-Modified-Since, by the CA's clock; 0: not sent */
};

/*
 * vault_call_start - sends the request
 *
 * A 304 to If-Modified-Since is a reply with that status and no JSON.
 *
 * Borrows client and order during the call only; *ret_reply belongs to the caller, is {0} at the
 * start and is filled when on_done runs without an error. The error text names method and path.
 * Fails as http_call_start and vault_reply_parse. NULL with *err filled if it could not start.
 */
struct slot *vault_call_start(const struct vault_client *client, const struct vault_order *order,
                              struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                              struct err *err);

/* -- replies --------------------------------------------------------------------------------------
 */

/*
 * vault_reply_parse - parses a reply
 *
 * Succeeds for 200 to 299 with an empty body or a JSON object. Other statuses fail with the class
 * of the table, err->http_status set and the CA's own message in the text, made printable. A body
 * that is no JSON, repeats a key, or nests deeper than 16 is class untrusted. So is a wrapped reply
 * (wrap_info); it has its status in the error, because the CA did answer.
 */
bool vault_reply_parse(int status, const char *body, size_t length, struct vault_reply *ret_reply,
                       struct err *err);

/* vault_reply_text - the text at OBJECT.NAME of the envelope, such as "auth", "client_token"; or
 * NULL */
const char *vault_reply_text(const struct vault_reply *reply, const char *object, const char *name);

/*
 * vault_reply_seconds - the duration at OBJECT.NAME in whole seconds
 *
 * Accepts a number, whose fraction is cut off, or a text such as "3600", "3600s" or "1h"; more than
 * ten years counts as ten years. Fails with class untrusted for a missing, negative or other value:
 * callers take 0 as "without end", so it is never guessed.
 */
bool vault_reply_seconds(const struct vault_reply *reply, const char *object, const char *name,
                         uint64_t *ret_seconds, struct err *err);

/* vault_reply_count - the count at OBJECT.NAME; 0 if it is missing or no valid number */
uint64_t vault_reply_count(const struct vault_reply *reply, const char *object, const char *name);

/* vault_reply_true - whether OBJECT.NAME is true */
bool vault_reply_true(const struct vault_reply *reply, const char *object, const char *name);

/* vault_reply_warnings - the CA's warnings as an array of texts, or NULL */
const json_t *vault_reply_warnings(const struct vault_reply *reply);

/* vault_reply_free - frees what a reply holds; also the release for CLEANUP */
void vault_reply_free(struct vault_reply *reply);

#endif
