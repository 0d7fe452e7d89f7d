/*
 * vault_login - logs in with the configured credentials and gets a client token
 *
 * One function per method. Credentials are read anew at every login: Kubernetes replaces the
 * ServiceAccount token under the same path, and old tokens expire.
 */
#ifndef LEAFD_CA_VAULT_LOGIN_H
#define LEAFD_CA_VAULT_LOGIN_H

#include "base/worker.h"
#include "ca/vault_call.h"

/* The result of a login. End with vault_grant_free. */
struct vault_grant {
    struct secret token;
    uint64_t lease_s;  /* 0: without end, or not known */
    uint64_t uses;     /* number of uses left; 0: unlimited, or not known */
    bool is_unlimited; /* the CA said that its uses are unlimited */
    bool renewable;
    bool unknown; /* an existing token that was not looked up yet */
};

/*
 * vault_login_start - logs in as the configuration's [auth] section says
 *
 * The method token has no login and sends nothing, since each request may cost one of the token's
 * few uses: its grant is `unknown`. *ret_grant belongs to the caller, is {0} at the start and
 * filled when on_done runs without an error. Fails as vault_call_start; the text for a denied login
 * adds the claims of the token that was sent, and whether the mount exists, which takes one more
 * request. Class local if a credential cannot be read, or not within the timeout of [vault]. A
 * login whose reply is lost may have spent a secret_id; there is no retry here.
 */
struct slot *vault_login_start(const struct vault_client *client, struct workers *workers,
                               struct vault_grant *ret_grant, slot_done *on_done, void *arg,
                               struct err *err);

/* vault_login_is_sent - whether the credentials were sent, so that the CA may have made a token */
bool vault_login_is_sent(const struct slot *slot);

/* vault_grant_read - takes the token's facts out of a reply's "auth"; fails with class untrusted */
bool vault_grant_read(const struct vault_reply *reply, struct vault_grant *ret_grant,
                      struct err *err);

/*
 * vault_lookup_start - looks up an existing token at the CA, which costs one use
 *
 * *ret_reply is for vault_lookup_read when on_done runs without an error.
 */
struct slot *vault_lookup_start(const struct vault_client *client, const struct secret *token,
                                struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                struct err *err);

/* vault_lookup_read - lease, uses and renewability of a grant; the token in it is left alone */
bool vault_lookup_read(const struct vault_reply *reply, struct vault_grant *grant, struct err *err);

/* vault_grant_free - wipes a grant; also the release for CLEANUP */
void vault_grant_free(struct vault_grant *grant);

#endif
