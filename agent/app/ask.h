/*
 * ask - single requests to the CA, for commands that exit afterwards, such as `leafd revoke`
 *
 * Each command has its own loop and session; each function runs the loop until its request has
 * ended.
 */
#ifndef LEAFD_APP_ASK_H
#define LEAFD_APP_ASK_H

#include "app/engine.h"

struct ask {
    struct engine engine;
    struct err err; /* how the last request ended */
    bool answered;
};

/* ask_open - takes a reference of `config`; fails with class local; ask_close is due in any case */
bool ask_open(struct ask *ask, struct config *config, struct err *err);

/* ask_log_in - opens a session; fails as the login does */
bool ask_log_in(struct ask *ask, struct err *err);

/* ask_describe - reads the CA's rules for a certificate of the configuration; as ca_describe_start
 */
bool ask_describe(struct ask *ask, const struct cert_config *cert, struct ca_terms *ret_terms,
                  struct err *err);

/* ask_bundle - reads the issuers of the section's mount; as ca_bundle_start; *ret_signed ends with
 * ca_signed_free */
bool ask_bundle(struct ask *ask, const struct cert_config *cert, struct ca_signed *ret_signed,
                struct err *err);

/* ask_close - ends the session; {0} is fine */
void ask_close(struct ask *ask);

/*
 * ask_revoke - revokes the published certificates of the named sections
 *
 * Borrows `config`. Unless `reissue` is false, a new certificate is issued: by the running agent,
 * which finds the mark of revocation, or else by this process. Prints each step; returns the exit
 * code.
 */
int ask_revoke(struct config *config, const char *const *names, size_t count, bool reissue);

#endif
