#include "config/config_expand.h"

#include "base/environment.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXPANDED_MOST_BYTES = 4096 };

static const char *const no_memory = "cannot be stored: memory ran out";
static const char *const too_long = "is longer than 4096 bytes once ${...} is replaced; shorten it";

const char config_service_account_token[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/* The token_file of other methods is no ServiceAccount token, but the pod may have one at the
 * default path. */
static const char *service_account_token(const struct auth_config *auth)
{
    bool ours = auth->method == AUTH_KUBERNETES || auth->method == AUTH_JWT;

    return ours && auth->token_file != NULL ? auth->token_file : config_service_account_token;
}

static const char *claim_value(struct config_scope *scope, const char *const *claim,
                               const char **ret_why)
{
    struct err err;

    if (!scope->claims_read) {
        scope->claims_read = true;
        if (!token_claims_read(service_account_token(scope->auth), scope->arena, &scope->claims,
                               &err))
            scope->claims_problem = arena_format(
                scope->arena, "uses ${k8s...}, but the ServiceAccount token cannot be read: %s",
                err.text);
    }
    *ret_why = scope->claims_problem;
    if (scope->claims_problem == NULL && *claim == NULL)
        *ret_why = "uses a ${k8s...} that the ServiceAccount token does not contain";
    return *claim;
}

static const char *host_name(struct config_scope *scope)
{
    char name[256];

    if (gethostname(name, sizeof name) != 0)
        return NULL;
    name[sizeof name - 1] = '\0';
    return arena_copy(scope->arena, name);
}

static const char *environment(struct config_scope *scope, const char *name, const char **ret_why)
{
    const char *value = environment_get(name);

    if (environment_is_token(name))
        *ret_why = arena_format(
            scope->arena, "uses ${env.%s}, which is a token: only [auth] method = token may use it",
            name);
    else if (value == NULL)
        *ret_why = arena_format(
            scope->arena, "uses ${env.%s}, which is not set in the environment; set it for leafd",
            name);
    return value;
}

static const char *directory_of_cert(struct config_scope *scope, const char **ret_why)
{
    if (scope->cert_directory != NULL && *scope->cert_directory != NULL)
        return *scope->cert_directory;
    *ret_why = "uses ${cert.directory}, which only file, link, validate, reload and prove of a "
               "[cert NAME] with a directory may use";
    return NULL;
}

static const char *look_up(struct config_scope *scope, const char *name, const char **ret_why)
{
    const char *variable = text_starts(name, "env.");

    if (variable != NULL)
        return environment(scope, variable, ret_why);
    if (strcmp(name, "host.name") == 0)
        return host_name(scope);
    if (strcmp(name, "cert.name") == 0) {
        if (scope->cert_name == NULL)
            *ret_why = "uses ${cert.name} outside a [cert NAME] section";
        return scope->cert_name;
    }
    if (strcmp(name, "cert.directory") == 0)
        return directory_of_cert(scope, ret_why);
    if (strcmp(name, "k8s.namespace") == 0)
        return claim_value(scope, &scope->claims.namespace, ret_why);
    if (strcmp(name, "k8s.service_account") == 0)
        return claim_value(scope, &scope->claims.service_account, ret_why);
    if (strcmp(name, "k8s.pod") == 0)
        return claim_value(scope, &scope->claims.pod, ret_why);
    *ret_why = "uses a ${...} that does not exist; there are env.NAME, host.name, cert.name, "
               "cert.directory, k8s.namespace, k8s.service_account and k8s.pod";
    return NULL;
}

/* The result while it grows, up to the limit. */
struct growing {
    size_t length;
    char text[EXPANDED_MOST_BYTES + 1];
};

static const char *grow(struct growing *growing, const char *more, size_t length)
{
    if (length > EXPANDED_MOST_BYTES - growing->length)
        return too_long;
    memcpy(growing->text + growing->length, more, length);
    growing->length += length;
    return NULL;
}

/* Replaces the ${...} that begins at `open`; *ret_rest points behind it. */
static const char *expand_one(struct config_scope *scope, const char *open, struct growing *to,
                              const char **ret_rest)
{
    const char *close = strchr(open, '}');
    const char *name, *value, *why = NULL;

    if (close == NULL)
        return "holds ${ without }; close it, or write $${ for a plain ${";
    name = arena_copy_part(&scope->scratch, open + 2, (size_t)(close - open - 2));
    value = name == NULL ? NULL : look_up(scope, name, &why);
    if (value == NULL)
        return why == NULL ? no_memory : why;
    *ret_rest = close + 1;
    return grow(to, value, strlen(value));
}

static const char *expand(struct config_scope *scope, const char *text, struct growing *done)
{
    const char *open, *why = NULL;

    done->length = 0;
    while (why == NULL && (open = strstr(text, "${")) != NULL) {
        bool plain = open > text && open[-1] == '$';

        why = grow(done, text, (size_t)(open - text));
        text = open + 2;
        if (why == NULL)
            why = plain ? grow(done, "{", 1) : expand_one(scope, open, done, &text);
    }
    return why == NULL ? grow(done, text, strlen(text)) : why;
}

static const char *expand_copy(struct config_scope *scope, struct arena *arena, const char *text,
                               const char **ret_text)
{
    struct growing done;
    const char *why = expand(scope, text, &done);

    if (why != NULL)
        return why;
    *ret_text = arena_copy_part(arena, done.text, done.length);
    return *ret_text == NULL ? no_memory : NULL;
}

/* Fast paths: most values have no ${...}, and most others are ${cert.name} alone. */
static const char *expand_into(struct config_scope *scope, struct arena *arena, const char *text,
                               const char **ret_text)
{
    if (strchr(text, '$') != NULL) {
        if (scope->cert_name == NULL || strcmp(text, "${cert.name}") != 0)
            return expand_copy(scope, arena, text, ret_text);
        *ret_text = scope->cert_name;
        return NULL;
    }
    if (strlen(text) > EXPANDED_MOST_BYTES)
        return too_long;
    *ret_text = arena_copy(arena, text);
    return *ret_text == NULL ? no_memory : NULL;
}

const char *config_expand(struct config_scope *scope, const char *text, const char **ret_text)
{
    return expand_into(scope, scope->arena, text, ret_text);
}

const char *config_expand_for_now(struct config_scope *scope, const char *text,
                                  const char **ret_text)
{
    return expand_into(scope, &scope->scratch, text, ret_text);
}
