/*
 * ask - single questions to the CA, for commands that ask and exit; `leafd revoke` is one
 *
 * A loop and a session of their own; each function runs the loop until its question is answered.
 */
#ifndef LEAFD_APP_ASK_H
#define LEAFD_APP_ASK_H

#include "app/engine.h"

struct ask {
    struct engine engine;
    struct err err; /* how the last question ended */
    bool answered;
};

/* ask_open - takes a reference of `config`; fails with class local; ask_close is due in any case */
bool ask_open(struct ask *ask, struct config *config, struct err *err);

/* ask_log_in - gets a token; fails as the login does */
bool ask_log_in(struct ask *ask, struct err *err);

/* ask_describe - what the CA lays down for a certificate of the configuration; as
 * ca_describe_start */
bool ask_describe(struct ask *ask, const struct cert_config *cert, struct ca_terms *ret_terms,
                  struct err *err);

/* ask_close - ends the session; {0} is fine */
void ask_close(struct ask *ask);

/*
 * ask_revoke - revokes what is published of the named certificates
 *
 * Borrows `config`. Unless `reissue` is false, what was revoked is issued anew: by the agent that
 * runs, which sees the mark, or else here and now. Prints what it does; returns the exit code.
 */
int ask_revoke(struct config *config, const char *const *names, size_t count, bool reissue);

#endif
