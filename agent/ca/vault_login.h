/*
 * vault_login - from credentials to a client token
 *
 * One function per method. Credentials are read anew at every login: Kubernetes replaces the
 * ServiceAccount token under the same path, and an old one ends.
 */
#ifndef LEAFD_CA_VAULT_LOGIN_H
#define LEAFD_CA_VAULT_LOGIN_H

#include "base/worker.h"
#include "ca/vault_call.h"

/* What a login gave. End with vault_grant_free. */
struct vault_grant {
    struct secret token;
    uint64_t lease_s;  /* 0: does not end, or is not known */
    uint64_t uses;     /* how many calls it is good for; 0: any number, or is not known */
    bool is_unlimited; /* the CA said that it is good for any number of calls */
    bool renewable;
    bool unknown; /* it was given to us, and the CA was not asked about it */
};

/*
 * vault_login_start - logs in as the configuration's [auth] section says
 *
 * The method token has no login and asks the CA nothing, since each call may be one of the few that
 * the token is good for: its grant is `unknown`. *ret_grant belongs to the caller, is {0} at the
 * start and filled when on_done runs without an error. Failures as vault_call_start, with what can
 * be known about a login that is denied: the claims of the token that was sent, and whether the
 * mount is there, which costs one more call; class local if a credential cannot be read, or not
 * within the timeout of [vault]. A secret_id may be spent by a login whose reply is lost; nothing
 * here tries again.
 */
struct slot *vault_login_start(const struct vault_client *client, struct workers *workers,
                               struct vault_grant *ret_grant, slot_done *on_done, void *arg,
                               struct err *err);

/* vault_grant_read - takes the token's facts out of a reply's "auth"; fails with class untrusted */
bool vault_grant_read(const struct vault_reply *reply, struct vault_grant *ret_grant,
                      struct err *err);

/*
 * vault_lookup_start - asks the CA about a token that was given to us, which is one use of it
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
