#include "config/config.h"

#include <stdlib.h>
#include <string.h>

const char *const content_words[CONTENT_COUNT + 1] = {
    [CONTENT_CERTIFICATE] = "certificate",
    [CONTENT_CHAIN] = "chain",
    [CONTENT_FULLCHAIN] = "fullchain",
    [CONTENT_CA] = "ca",
    [CONTENT_KEY] = "key",
    [CONTENT_COMBINED] = "combined",
    [CONTENT_BUNDLE] = "bundle",
    [CONTENT_METADATA] = "metadata",
};

const char *const auth_method_words[AUTH_METHOD_COUNT + 1] = {
    [AUTH_KUBERNETES] = "kubernetes", [AUTH_JWT] = "jwt",
    [AUTH_APPROLE] = "approle",       [AUTH_CERT] = "cert",
    [AUTH_TOKEN] = "token",
};

struct config *config_ref(struct config *config)
{
    config->references++;
    return config;
}

void config_unref(struct config *config)
{
    if (config == NULL || --config->references > 0)
        return;
    arena_free(&config->arena);
    free(config);
}

const struct cert_config *config_cert(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->cert_count; i++)
        if (strcmp(config->certs[i].name, name) == 0)
            return &config->certs[i];
    return NULL;
}

bool content_holds_key(enum content content)
{
    return content == CONTENT_KEY || content == CONTENT_COMBINED || content == CONTENT_BUNDLE;
}
