/*
 * vault_token - the life of the one client token that serves all certificates
 *
 * The first caller that needs it starts a login. It is renewed at two thirds of its lease, replaced
 * by a fresh login before it expires or when the CA answers 403 to it, and revoked at exit if the
 * operator asks for that. A 403 may concern the policy for one certificate only: the others keep
 * the token until there is a new one. It lives only in the secure heap. During a login all callers
 * wait for its result. After a failed login no other follows before a pause is over, however many
 * certificates need one, unless one of them cannot wait that long.
 */
#ifndef LEAFD_CA_VAULT_TOKEN_H
#define LEAFD_CA_VAULT_TOKEN_H

#include "base/worker.h"
#include "ca/ca_kind.h"
#include "ca/vault_call.h"

struct vault_token;

/*
 * vault_token_open - prepares the session; no login yet
 *
 * Borrows `http` and `workers`, takes a reference of `config`. Fails with class local.
 */
bool vault_token_open(struct http_loop *http, struct workers *workers, struct config *config,
                      ca_session_listener *on_change, void *arg, struct vault_token **ret_token,
                      struct err *err);

/* vault_token_close - wipes the token and cancels all requests; every slot of it has been dropped
 */
void vault_token_close(struct vault_token *token);

/* vault_token_use - applies another configuration; a changed [vault] or [auth] drops the token */
void vault_token_use(struct vault_token *token, struct config *config);

/* What a caller needs of the token. */
struct token_need {
    uint64_t patience_ms;    /* how long a failed login of another caller may delay this one */
    unsigned refused_number; /* the token to which the CA answered 403; 0: none */
    bool is_told;            /* 403s for this caller were logged before */
};

/*
 * vault_token_ensure_start - gets a token that is not the refused one
 *
 * Ends well, in a later iteration of the loop, when there is one, else with the error of the login.
 * That may be the error of a login that failed less than `patience_ms` milliseconds ago. NULL with
 * *err filled if memory ran out.
 */
struct slot *vault_token_ensure_start(struct vault_token *token, const struct token_need *need,
                                      slot_done *on_done, void *arg, struct err *err);

/* vault_token_is_usable - whether there is a token that has not expired */
bool vault_token_is_usable(const struct vault_token *token);

/* vault_token_client - the current context for calls with this token */
struct vault_client vault_token_client(const struct vault_token *token);

/*
 * vault_token_secret - the token for one call, borrowed until the next iteration of the loop
 *
 * NULL if there is none, or if it has no uses left.
 */
const struct secret *vault_token_secret(struct vault_token *token);

/*
 * vault_token_note_worked - notes that the CA accepted the token with that number
 *
 * If the process `stays`, an existing token is looked up at the CA a while later.
 */
void vault_token_note_worked(struct vault_token *token, unsigned number, bool stays);

/* vault_token_has_worked - whether the CA accepted that token or a newer one */
bool vault_token_has_worked(const struct vault_token *token, unsigned number);

/* vault_token_end_pause - the cause of the last failed login may be gone: the next login is not
 * delayed */
void vault_token_end_pause(struct vault_token *token);

/* vault_token_number - a number that changes with every token, so that a late 403 does not replace
 * a fresh one */
unsigned vault_token_number(const struct vault_token *token);

/* vault_token_is_unlimited - whether the CA said that its uses are unlimited */
bool vault_token_is_unlimited(const struct vault_token *token);

/*
 * vault_token_note_lease - notes that a certificate was leased with the token of that number
 *
 * Revoking the token would revoke the certificate, even if the token was dropped and read again
 * since.
 */
void vault_token_note_lease(struct vault_token *token, unsigned number);

/* vault_token_has_leases - whether certificates were leased with the current token */
bool vault_token_has_leases(const struct vault_token *token);

/*
 * vault_token_settle_start - waits until no token is on its way to us, nor to be revoked
 *
 * For the exit, one at a time: no caller of vault_token_ensure_start waits any more. Drops a login
 * that was not sent yet. Ends well, however the login ends; may take as long as that.
 */
struct slot *vault_token_settle_start(struct vault_token *token, slot_done *on_done, void *arg,
                                      struct err *err);

/*
 * vault_token_revoke_start - revokes the token at the CA (auth/token/revoke-self)
 *
 * NULL with err->kind ERR_NONE if there is none, or if a certificate was leased with it: the CA
 * would revoke that certificate with the token.
 */
struct slot *vault_token_revoke_start(struct vault_token *token, slot_done *on_done, void *arg,
                                      struct err *err);

#endif
