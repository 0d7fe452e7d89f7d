/*
 * token_calls - what a client asks about the token that it holds
 */
#ifndef DEVCA_TOKEN_CALLS_H
#define DEVCA_TOKEN_CALLS_H

#include "request.h"

/* token_auth - a token as the "auth" of a reply */
json_t *token_auth(const struct devca *devca, const struct token *token);

/* token_lookup - GET auth/token/lookup-self */
handler token_lookup;

/* token_renew - POST auth/token/renew-self */
handler token_renew;

/* token_revoke - POST auth/token/revoke-self */
handler token_revoke;

/* token_capabilities - POST sys/capabilities-self */
handler token_capabilities;

#endif
