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
    [CONTENT_PKCS12] = "pkcs12",
    [CONTENT_TRUSTSTORE] = "truststore",
    [CONTENT_CERTIFICATE_DER] = "certificate-der",
    [CONTENT_KEY_DER] = "key-der",
    [CONTENT_ENVOY_SDS] = "envoy-sds",
    [CONTENT_ENVOY_SDS_CA] = "envoy-sds-ca",
    [CONTENT_CRL] = "crl",
};

const char *const auth_method_words[AUTH_METHOD_COUNT + 1] = {
    [AUTH_KUBERNETES] = "kubernetes", [AUTH_JWT] = "jwt",
    [AUTH_APPROLE] = "approle",       [AUTH_CERT] = "cert",
    [AUTH_TOKEN] = "token",
};

const char *const starttls_words[STARTTLS_COUNT + 1] = {
    [STARTTLS_NONE] = "none", [STARTTLS_POSTGRES] = "postgres", [STARTTLS_MYSQL] = "mysql",
    [STARTTLS_SMTP] = "smtp", [STARTTLS_IMAP] = "imap",         [STARTTLS_LDAP] = "ldap",
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
    arena_free(&config->source);
    arena_free(&config->arena);
    free(config);
}

void config_forget_source(struct config *config)
{
    for (size_t i = 0; i < config->cert_count; i++)
        config->certs[i].own = config->certs[i].template_section = NULL;
    config->document = NULL;
    arena_free(&config->source);
}

const char *config_kind(const struct cert_config *cert)
{
    return cert->is_trust ? "trust" : "cert";
}

bool config_needs_login(const struct config *config)
{
    for (size_t i = 0; i < config->cert_count; i++)
        if (!config->certs[i].is_trust)
            return true;
    return false;
}

static int compare_name(const void *name, const void *cert)
{
    return strcmp(name, (*(const struct cert_config *const *)cert)->name);
}

const struct cert_config *config_cert(const struct config *config, const char *name)
{
    const struct cert_config *const *found =
        bsearch(name, config->by_name, config->cert_count, sizeof *config->by_name, compare_name);

    return found == NULL ? NULL : *found;
}

static int compare_text(const void *text, const void *directory)
{
    return strcmp(text, *(const char *const *)directory);
}

bool config_uses_directory(const struct config *config, const char *directory)
{
    return config->directories != NULL &&
           bsearch(directory, config->directories, config->cert_count, sizeof *config->directories,
                   compare_text) != NULL;
}

bool content_holds_key(enum content content)
{
    return content == CONTENT_KEY || content == CONTENT_COMBINED || content == CONTENT_BUNDLE ||
           content == CONTENT_KEY_DER || content == CONTENT_PKCS12;
}

bool content_needs_leaf(enum content content)
{
    return content != CONTENT_CA && content != CONTENT_TRUSTSTORE &&
           content != CONTENT_ENVOY_SDS_CA && content != CONTENT_CRL;
}

bool content_needs_password(enum content content)
{
    return content == CONTENT_PKCS12 || content == CONTENT_TRUSTSTORE;
}

const struct output *config_output(const struct cert_config *cert, enum content content)
{
    for (size_t i = 0; i < cert->outputs.count; i++)
        if (cert->outputs.items[i].content == content)
            return &cert->outputs.items[i];
    return NULL;
}
