#include "tokens.h"

#include "draw.h"
#include "moment.h"
#include "must.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_texts(const void *a, const void *b)
{
    return strcmp(((const struct token *)a)->text, ((const struct token *)b)->text);
}

static void free_token(void *one)
{
    struct token *token = one;

    json_decref(token->metadata);
    free(token->display_name);
    free(token->path);
    free(token);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

const struct token *tokens_issue(struct tokens *tokens, const struct auth_role *role,
                                 const char *path, const char *display_name, json_t *metadata)
{
    struct token *token = calloc(1, sizeof *token);

    MUST(token != NULL);
    memcpy(token->text, "hvs.", 4);
    draw_word(token->text + 4, TOKEN_BYTES - 5);
    draw_word(token->accessor, ACCESSOR_BYTES - 1);
    token->role = role;
    token->path = strdup(path);
    token->display_name = strdup(display_name);
    token->metadata = metadata;
    token->issued = moment_now();
    token->ends = token->issued + least(role->token_ttl_s, role->token_max_ttl_s) * MOMENT_SECOND;
    MUST(token->path != NULL && token->display_name != NULL &&
         tsearch(token, &tokens->tree, compare_texts) != NULL);
    tokens->count++;
    return token;
}

struct token *tokens_find(struct tokens *tokens, const char *text)
{
    struct token wanted;
    struct token **found;

    if (strlen(text) >= sizeof wanted.text)
        return NULL;
    memcpy(wanted.text, text, strlen(text) + 1);
    found = tfind(&wanted, &tokens->tree, compare_texts);
    if (found == NULL)
        return NULL;
    if ((*found)->ends > moment_now() &&
        ((*found)->role->token_num_uses == 0 || (*found)->uses < (*found)->role->token_num_uses)) {
        (*found)->uses++;
        return *found;
    }
    tokens_revoke(tokens, *found);
    return NULL;
}

void tokens_renew(struct token *token, uint64_t increment_s, uint64_t *ret_most_s)
{
    uint64_t wanted_s = increment_s == 0 ? token->role->token_ttl_s : increment_s;
    uint64_t limit = token->issued + token->role->token_max_ttl_s * MOMENT_SECOND;
    uint64_t now = moment_now();

    token->renewed = now;
    *ret_most_s = 0;
    token->ends = now + least(wanted_s, token->role->token_max_ttl_s + 1) * MOMENT_SECOND;
    if (token->ends > limit) {
        token->ends = limit;
        *ret_most_s = tokens_left(token);
    }
}

uint64_t tokens_left(const struct token *token)
{
    uint64_t now = moment_now();

    return token->ends <= now ? 0 : (token->ends - now + MOMENT_SECOND - 1) / MOMENT_SECOND;
}

void tokens_revoke(struct tokens *tokens, struct token *token)
{
    tdelete(token, &tokens->tree, compare_texts);
    tokens->count--;
    free_token(token);
}

unsigned tokens_revoke_all(struct tokens *tokens)
{
    unsigned count = tokens->count;

    tdestroy(tokens->tree, free_token);
    *tokens = (struct tokens){0};
    return count;
}
