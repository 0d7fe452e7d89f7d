/*
 * vault_token - the life of the one client token that serves all certificates
 *
 * It is asked for when somebody needs it, renewed when two thirds of its lease are over, replaced
 * by a fresh login before it ends or when the CA says 403 to it, and revoked at the end if the
 * operator wants that. A 403 may mean one certificate's policy alone: the others keep the token
 * until there is another. It lives in the secure heap and nowhere else. While a login is under way
 * everybody who needs the token waits for that one; when it failed, nobody asks the CA again before
 * a wait of its own is over, however many certificates want to, unless one cannot wait that long.
 */
#ifndef LEAFD_CA_VAULT_TOKEN_H
#define LEAFD_CA_VAULT_TOKEN_H

#include "base/worker.h"
#include "ca/ca_kind.h"
#include "ca/vault_call.h"

struct vault_token;

/*
 * vault_token_open - a token that nobody has asked for yet
 *
 * Borrows `http` and `workers`, takes a reference of `config`. Fails with class local.
 */
bool vault_token_open(struct http_loop *http, struct workers *workers, struct config *config,
                      ca_session_listener *on_change, void *arg, struct vault_token **ret_token,
                      struct err *err);

/* vault_token_close - wipes the token, cancels what is under way; every slot of it has been dropped
 */
void vault_token_close(struct vault_token *token);

/* vault_token_use - goes on with another configuration; a changed [vault] or [auth] drops the token
 */
void vault_token_use(struct vault_token *token, struct config *config);

/* Who asks for the token. */
struct token_need {
    uint64_t patience_ms;    /* how long a login that failed for others may put it off */
    unsigned refused_number; /* the token that the CA said 403 to; 0: none */
};

/*
 * vault_token_ensure_start - sees to it that there is a token, another one than was refused
 *
 * Ends well, in a later iteration of the loop, when there is one. Ends with the error of the login
 * otherwise. It may be that of one that failed before and is not tried again yet, though not for
 * longer than `patience_ms` milliseconds after it. NULL with *err filled if memory ran out.
 */
struct slot *vault_token_ensure_start(struct vault_token *token, const struct token_need *need,
                                      slot_done *on_done, void *arg, struct err *err);

/* vault_token_is_usable - whether there is one that has not ended */
bool vault_token_is_usable(const struct vault_token *token);

/* vault_token_client - what calls with this token go through, as of now */
struct vault_client vault_token_client(const struct vault_token *token);

/*
 * vault_token_secret - the token for one call, borrowed until the next iteration of the loop
 *
 * NULL if there is none, or if it was good for a number of calls and these are over.
 */
const struct secret *vault_token_secret(struct vault_token *token);

/*
 * vault_token_note_worked - the CA took the token of that number
 *
 * If the process `stays`, the CA is asked about a token that was given to us a while later.
 */
void vault_token_note_worked(struct vault_token *token, unsigned number, bool stays);

/* vault_token_has_worked - whether the CA took it, or one that came after it */
bool vault_token_has_worked(const struct vault_token *token, unsigned number);

/* vault_token_end_pause - what kept the last login from working may be over: the next one is not
 * put off */
void vault_token_end_pause(struct vault_token *token);

/* vault_token_number - changes with every token, so that a late 403 does not replace a fresh one */
unsigned vault_token_number(const struct vault_token *token);

/* vault_token_is_unlimited - whether the CA said of it that it is good for any number of calls */
bool vault_token_is_unlimited(const struct vault_token *token);

/*
 * vault_token_note_lease - a certificate was leased with the token of that number
 *
 * Revoking the token would revoke that, also when it was dropped and read again since.
 */
void vault_token_note_lease(struct vault_token *token, unsigned number);

/* vault_token_has_leases - whether any was, with the token that there is */
bool vault_token_has_leases(const struct vault_token *token);

/*
 * vault_token_revoke_start - revokes the token at the CA (auth/token/revoke-self)
 *
 * NULL with err->kind ERR_NONE if there is none, or one with which a certificate was leased: that
 * would be revoked with it.
 */
struct slot *vault_token_revoke_start(struct vault_token *token, slot_done *on_done, void *arg,
                                      struct err *err);

#endif
