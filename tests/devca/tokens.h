/*
 * tokens - the client tokens that are good at the moment
 *
 * A token comes from a login, is renewed up to the maximum of its role, counted from the login, and
 * is forgotten when it ends or is revoked: then it is as unknown as one that never was.
 */
#ifndef DEVCA_TOKENS_H
#define DEVCA_TOKENS_H

#include "roles.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

enum { TOKEN_BYTES = 96, ACCESSOR_BYTES = 25 };

struct token {
    char text[TOKEN_BYTES], accessor[ACCESSOR_BYTES];
    const struct auth_role *role;
    char *display_name, *path;
    json_t *metadata;
    uint64_t issued, ends, renewed; /* moments; renewed is 0 if it never was */
    unsigned uses;                  /* requests that it was sent with */
};

struct tokens {
    void *tree; /* of tsearch(3), by text */
    unsigned count;
};

/* tokens_issue - a new token of that role; takes `metadata`, copies the texts */
const struct token *tokens_issue(struct tokens *tokens, const struct auth_role *role,
                                 const char *path, const char *display_name, json_t *metadata);

/* tokens_find - the token with that text if it is good now, or NULL; it costs one of its uses */
struct token *tokens_find(struct tokens *tokens, const char *text);

/*
 * tokens_renew - lets a token live `increment_s` from now, 0 for the role's time
 *
 * Not past the maximum of its role: then *ret_most_s is what was left, else 0.
 */
void tokens_renew(struct token *token, uint64_t increment_s, uint64_t *ret_most_s);

/* tokens_left - the seconds that a token is still good for, rounded up */
uint64_t tokens_left(const struct token *token);

/* tokens_revoke - forgets a token */
void tokens_revoke(struct tokens *tokens, struct token *token);

/* tokens_revoke_all - forgets every token; gives their number */
unsigned tokens_revoke_all(struct tokens *tokens);

#endif
