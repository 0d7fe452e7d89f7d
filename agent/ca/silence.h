/*
 * silence - an outage of the CA: its beginning, its kind, and its end
 *
 * It is noticed by the requests that certificates need. If none of them waits for the CA, as after
 * a renewal by hand, a daemon asks it by itself, ever more rarely, so that the outage ends.
 */
#ifndef LEAFD_CA_SILENCE_H
#define LEAFD_CA_SILENCE_H

#include "ca/vault_token.h"

struct silence;

/* As in struct ca_listener. */
struct silence_listener {
    void (*on_away)(void *arg, const struct err *why);
    void (*on_back)(void *arg, uint64_t after_s);
    bool (*is_awaited)(void *arg);
    void *arg;
};

/* silence_open - none yet; borrows http and session, and watches the replies of `http`;
 * `stays` as in ca_open. Fails with class local */
bool silence_open(struct http_loop *http, struct vault_token *session, bool stays,
                  const struct silence_listener *listener, struct silence **ret_silence,
                  struct err *err);

/* silence_close - NULL is fine */
void silence_close(struct silence *silence);

/* silence_use - [vault] or [auth] has changed now */
void silence_use(struct silence *silence);

/* silence_begin - a request that was sent at `asked_us`, by the boot clock, failed without an
 * answer, or a login failed */
void silence_begin(struct silence *silence, uint64_t asked_us, const struct err *why);

/* silence_end - the CA answered a request that a session is needed for, or a login */
void silence_end(struct silence *silence);

/* silence_is_on - whether there is an outage */
bool silence_is_on(const struct silence *silence);

/* silence_since_s - when it began, by the wall clock; 0: there is none */
uint64_t silence_since_s(const struct silence *silence);

/* silence_is_unreachable - whether there is one because the CA does not answer */
bool silence_is_unreachable(const struct silence *silence);

/* silence_is_of_login - whether there is one because the CA answers, but opens no session */
bool silence_is_of_login(const struct silence *silence);

/* silence_is_unanswered - ca_is_unanswered */
bool silence_is_unanswered(const struct err *err);

#endif
