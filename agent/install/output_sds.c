#include "install/output_sds.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#include <jansson.h>

#include <stdio.h>

#define RESOURCE                                                                                   \
    "resources:\n"                                                                                 \
    "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"          \
    "  name: %s\n"

/* Whether YAML has the character at the start of this UTF-8 in a text, and as no line break: YAML
 * 1.2 section 5.1, and of YAML 1.1 NEL, LS and PS. What is below a space JSON writes otherwise. */
static bool yaml_has(const char *at)
{
    static const char *const odd[] = {"\x7f",         "\xe2\x80\xa8", "\xe2\x80\xa9",
                                      "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"};

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (text_starts(at, odd[i]) != NULL)
            return false;
    return at[0] != '\xc2' || (unsigned char)at[1] >= 0xa0; /* C1, U+0080 to U+009F */
}

/* A text in double quotes, as JSON and therefore YAML writes it; NULL if it is not UTF-8, or not
 * printable. */
static char *quote(const char *text)
{
    json_auto_t *string = json_string(text);

    for (const char *at = text; *at != '\0'; at++)
        if (!yaml_has(at))
            return NULL;
    return json_text(string, JSON_ENCODE_ANY);
}

/* The visible path of the set's file with that content, quoted. */
static char *quote_path(const struct cert_config *cert, enum content content)
{
    const struct output *output = config_output(cert, content);
    CLEANUP(free_memory) char *path = NULL;

    if (output == NULL || asprintf(&path, "%s/%s", cert->directory, output->name) < 0) {
        path = NULL;
        return NULL;
    }
    return quote(path);
}

/* Ends both: `written` is what asprintf said of *text. */
static bool finish(int written, char **text, struct err *err)
{
    if (written >= 0)
        return true;
    *text = NULL;
    return err_memory(err);
}

static bool cannot_name(struct err *err)
{
    return err_set(
        err, ERR_LOCAL,
        "cannot name the set's files for Envoy; are sds_name and directory printable UTF-8?");
}

bool output_sds_certificate(const struct cert_config *cert, char **ret_text, struct err *err)
{
    CLEANUP(free_memory) char *name = quote(cert->sds_name), *directory = quote(cert->directory);
    CLEANUP(free_memory) char *chain = quote_path(cert, CONTENT_FULLCHAIN);
    CLEANUP(free_memory) char *key = quote_path(cert, CONTENT_KEY);

    if (name == NULL || directory == NULL || chain == NULL || key == NULL)
        return cannot_name(err);
    return finish(asprintf(ret_text,
                           RESOURCE "  tls_certificate:\n"
                                    "    watched_directory: {path: %s}\n"
                                    "    certificate_chain: {filename: %s}\n"
                                    "    private_key: {filename: %s}\n",
                           name, directory, chain, key),
                  ret_text, err);
}

bool output_sds_ca(const struct cert_config *cert, char **ret_text, struct err *err)
{
    CLEANUP(free_memory) char *name = quote(cert->sds_ca_name), *directory = quote(cert->directory);
    CLEANUP(free_memory) char *ca = quote_path(cert, CONTENT_CA);

    if (name == NULL || directory == NULL || ca == NULL)
        return cannot_name(err);
    return finish(asprintf(ret_text,
                           RESOURCE "  validation_context:\n"
                                    "    watched_directory: {path: %s}\n"
                                    "    trusted_ca: {filename: %s}\n",
                           name, directory, ca),
                  ret_text, err);
}
