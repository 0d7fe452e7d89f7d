/*
 * ask - single questions to the CA, for commands that ask and exit
 *
 * A loop and a session of their own; each function runs the loop until its question is answered.
 */
#ifndef LEAFD_APP_ASK_H
#define LEAFD_APP_ASK_H

#include "app/engine.h"
#include "base/text.h"

struct ask {
    struct engine engine;
    struct err err; /* how the last question ended */
    bool answered;
};

/* ask_open - takes a reference of `config`; fails with class local; ask_close is due in any case */
bool ask_open(struct ask *ask, struct config *config, struct err *err);

/* ask_log_in - gets a token; fails as the login does */
bool ask_log_in(struct ask *ask, struct err *err);

/* ask_capabilities - what the token may do on these paths; fails as the call does */
bool ask_capabilities(struct ask *ask, const struct text_list *paths, struct vault_reply *ret_reply,
                      struct err *err);

/* ask_describe - reads a path that vault_describe lists; fails as the call does */
bool ask_describe(struct ask *ask, const char *path, struct vault_reply *ret_reply,
                  struct err *err);

/*
 * ask_revoke - revokes a certificate by its serial number, or by itself
 *
 * The certificate is sent where the CA refuses the serial number, since a role with no_store keeps
 * none. Fails as the call does.
 */
bool ask_revoke(struct ask *ask, const char *pki_mount, const char *serial, const char *pem,
                struct err *err);

/* ask_close - ends the session; {0} is fine */
void ask_close(struct ask *ask);

#endif
