/*
 * vault_call - one request to the CA's HTTP API
 *
 * Adds what every request carries (X-Vault-Request, the namespace, the token) and follows a
 * standby's 307 by our own rules: one hop, https only, verified against the same CAs, and only to
 * the host of the address and those that `redirects` names. Each is told to the loop.
 */
#ifndef LEAFD_CA_VAULT_CALL_H
#define LEAFD_CA_VAULT_CALL_H

#include "base/secret.h"
#include "base/slot.h"
#include "ca/vault_reply.h"
#include "config/config.h"
#include "http/http_loop.h"

/* The CA as all calls see it; borrows both. A call takes its own reference of the configuration. */
struct vault_client {
    struct http_loop *http;
    struct config *config;
};

struct vault_order {
    const char *method;         /* "GET", "POST" */
    const char *path;           /* below /v1/, without a slash at its start or end */
    json_t *body;               /* borrowed; NULL: none */
    const struct secret *token; /* NULL for logins and public paths */
    size_t reply_most_bytes;    /* 0: what http_call takes */
    uint64_t since_s;           /* for If-Modified-Since, by the CA's clock; 0: not sent */
};

/*
 * vault_call_start - sends the request
 *
 * A 304 to If-Modified-Since is a reply with that status and no JSON.
 *
 * Borrows client and order during the call only; *ret_reply belongs to the caller, is {0} at the
 * start and is filled when on_done runs without an error. The error text names method and path.
 * Failures as http_call_start and vault_reply_parse. NULL with *err filled if it could not start.
 */
struct slot *vault_call_start(const struct vault_client *client, const struct vault_order *order,
                              struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                              struct err *err);

#endif
