#include "install/outputs.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "pki/key.h"
#include "pki/keystore.h"

#include <jansson.h>

#include <stdio.h>
#include <string.h>

enum { STORE_MOST_BYTES = 256 * 1024 };

static json_t *texts(const struct text_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, json_string(list->items[i]));
    return array;
}

/* The content `metadata`; leafd.ini(5) lists its fields. */
static char *metadata_text(const struct cert_config *cert, const struct issued *issued)
{
    const struct certificate_facts *leaf = &issued->leaf;
    char not_before[WHEN_TEXT_BYTES], not_after[WHEN_TEXT_BYTES];
    json_auto_t *metadata = NULL;

    clock_text(leaf->validity.not_before, not_before);
    clock_text(leaf->validity.not_after, not_after);
    metadata = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:s, s:s, s:s}", "cert",
        cert->name, "serial", leaf->serial, "sha256", leaf->fingerprint, "issuer", leaf->issuer,
        "not_before", not_before, "not_after", not_after, "common_name", leaf->names.common_name,
        "dns_names", texts(&leaf->names.dns), "ip_addresses", texts(&leaf->names.ip), "uris",
        texts(&leaf->names.uri), "email_addresses", texts(&leaf->names.email), "pki_mount",
        cert->pki_mount, "pki_role", cert->pki_role, "request_id", issued->request_id);
    return json_text(metadata, JSON_INDENT(2));
}

bool output_password(const struct cert_config *cert, struct secret *password, struct err *err)
{
    if (config_output(cert, CONTENT_PKCS12) == NULL &&
        config_output(cert, CONTENT_TRUSTSTORE) == NULL)
        return true;
    return file_read_password(cert->keystore_password_file, password, err) ||
           err_wrap(err, "keystore_password_file: %s", cert->keystore_password_file);
}

static bool make_keystore(const struct cert_config *cert, const struct keystore_lock *lock,
                          const EVP_PKEY *key, struct output_source *source, struct err *err)
{
    const struct issued *issued = source->issued;

    return config_output(cert, CONTENT_PKCS12) == NULL ||
           keystore_make(lock, cert->keystore_alias, key, issued->leaf_pem, &issued->chain_pem,
                         &source->keystore, err);
}

static bool make_truststore(const struct cert_config *cert, const struct keystore_lock *lock,
                            struct output_source *source, struct err *err)
{
    const struct issued *issued = source->issued;
    struct arena arena = {0};
    struct text_list trusted = {0};
    bool made = true;

    if (config_output(cert, CONTENT_TRUSTSTORE) == NULL)
        return true;
    for (size_t i = 0; made && i < issued->ca_pem.count; i++)
        made = text_list_add(&trusted, &arena, issued->ca_pem.items[i],
                             strlen(issued->ca_pem.items[i]));
    for (size_t i = 0; made && i < issued->old_ca_count; i++)
        made =
            text_list_add(&trusted, &arena, issued->old_cas[i].pem, strlen(issued->old_cas[i].pem));
    made = made ? keystore_trust(lock, &trusted, &source->truststore, err) : err_memory(err);
    arena_free(&arena);
    return made;
}

static bool make_stores(const struct cert_config *cert, const EVP_PKEY *key,
                        struct output_source *source, struct err *err)
{
    CLEANUP(secret_wipe) struct secret password = {0};
    const struct keystore_lock lock = {&password, cert->keystore_encryption == KEYSTORE_LEGACY};

    return output_password(cert, &password, err) && make_keystore(cert, &lock, key, source, err) &&
           make_truststore(cert, &lock, source, err);
}

/* Makes the other forms of the key; PKCS#8 PEM is there already. */
static bool make_key_forms(const struct cert_config *cert, const EVP_PKEY *key,
                           struct output_source *source, struct err *err)
{
    bool traditional = cert->key_encoding == KEY_TRADITIONAL;

    if (config_output(cert, CONTENT_KEY_DER) != NULL &&
        !key_to_der(key, traditional, &source->key_der, err))
        return false;
    if (!traditional)
        return true;
    source->key_pem = &source->traditional_key_pem;
    return key_to_pem(key, true, &source->traditional_key_pem, err);
}

static bool make_rest(const struct cert_config *cert, struct output_source *source, struct err *err)
{
    if (config_output(cert, CONTENT_CERTIFICATE_DER) != NULL &&
        !certificate_to_der(source->issued->leaf_pem, &source->certificate_der, err))
        return false;
    if (config_output(cert, CONTENT_ENVOY_SDS) != NULL &&
        !output_sds_certificate(cert, &source->sds, err))
        return false;
    if (config_output(cert, CONTENT_ENVOY_SDS_CA) != NULL &&
        !output_sds_ca(cert, &source->sds_ca, err))
        return false;
    if (config_output(cert, CONTENT_METADATA) == NULL)
        return true;
    source->metadata = metadata_text(cert, source->issued);
    return source->metadata != NULL || err_memory(err);
}

/* Decoding the key takes OpenSSL 3 longer than all other work for a certificate. */
static bool wants_key_decoded(const struct cert_config *cert)
{
    return cert->key_encoding == KEY_TRADITIONAL || config_output(cert, CONTENT_KEY_DER) != NULL ||
           config_output(cert, CONTENT_PKCS12) != NULL;
}

bool output_source_open(const struct cert_config *cert, const struct issued *issued,
                        struct output_source *ret_source, struct err *err)
{
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;

    *ret_source = (struct output_source){
        .issued = issued,
        .key_pem = &issued->key_pem,
        .certificate_der.limit = STORE_MOST_BYTES,
        .keystore.limit = STORE_MOST_BYTES,
        .truststore.limit = STORE_MOST_BYTES,
    };
    if (wants_key_decoded(cert) &&
        !key_from_pem(secret_expose(&issued->key_pem), issued->key_pem.length, &key, err))
        return false;
    return make_key_forms(cert, key, ret_source, err) && make_stores(cert, key, ret_source, err) &&
           make_rest(cert, ret_source, err);
}

void output_source_free(struct output_source *source)
{
    secret_wipe(&source->traditional_key_pem);
    secret_wipe(&source->key_der);
    bytes_free(&source->certificate_der);
    bytes_free(&source->keystore);
    bytes_free(&source->truststore);
    free(source->metadata);
    free(source->sds);
    free(source->sds_ca);
    source->metadata = source->sds = source->sds_ca = NULL;
}

struct parts {
    struct output_part *items;
    size_t count;
};

static void add(struct parts *parts, const char *bytes, size_t length)
{
    if (parts->count < OUTPUT_PARTS_MOST)
        parts->items[parts->count++] = (struct output_part){bytes, length};
}

static void add_text(struct parts *parts, const char *text)
{
    add(parts, text, strlen(text));
}

static void add_list(struct parts *parts, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        add_text(parts, list->items[i]);
}

static void add_bytes(struct parts *parts, const struct bytes *bytes)
{
    add(parts, bytes_text(bytes), bytes->length);
}

static void add_secret(struct parts *parts, const struct secret *secret)
{
    add(parts, secret_expose(secret), secret->length);
}

typedef void piece(struct parts *parts, const struct output_source *source);

static void leaf(struct parts *parts, const struct output_source *source)
{
    add_text(parts, source->issued->leaf_pem);
}

static void chain(struct parts *parts, const struct output_source *source)
{
    add_list(parts, &source->issued->chain_pem);
}

static void trusted(struct parts *parts, const struct output_source *source)
{
    const struct issued *issued = source->issued;

    add_list(parts, &issued->ca_pem);
    for (size_t i = 0; i < issued->old_ca_count; i++)
        add_text(parts, issued->old_cas[i].pem);
}

static void lists(struct parts *parts, const struct output_source *source)
{
    add_list(parts, &source->issued->crl_pem);
}

static void key(struct parts *parts, const struct output_source *source)
{
    add_secret(parts, source->key_pem);
}

static void key_der(struct parts *parts, const struct output_source *source)
{
    add_secret(parts, &source->key_der);
}

static void certificate_der(struct parts *parts, const struct output_source *source)
{
    add_bytes(parts, &source->certificate_der);
}

static void metadata(struct parts *parts, const struct output_source *source)
{
    add_text(parts, source->metadata);
    add_text(parts, "\n");
}

static void keystore(struct parts *parts, const struct output_source *source)
{
    add_bytes(parts, &source->keystore);
}

static void truststore(struct parts *parts, const struct output_source *source)
{
    add_bytes(parts, &source->truststore);
}

static void sds(struct parts *parts, const struct output_source *source)
{
    add_text(parts, source->sds);
}

static void sds_ca(struct parts *parts, const struct output_source *source)
{
    add_text(parts, source->sds_ca);
}

enum { PIECES_MOST = 3 };

/* The parts of each content, in order. */
static piece *const pieces[CONTENT_COUNT][PIECES_MOST] = {
    [CONTENT_CERTIFICATE] = {leaf},
    [CONTENT_CHAIN] = {chain},
    [CONTENT_FULLCHAIN] = {leaf, chain},
    [CONTENT_CA] = {trusted},
    [CONTENT_KEY] = {key},
    [CONTENT_COMBINED] = {leaf, chain, key},
    [CONTENT_BUNDLE] = {key, leaf, chain},
    [CONTENT_METADATA] = {metadata},
    [CONTENT_PKCS12] = {keystore},
    [CONTENT_TRUSTSTORE] = {truststore},
    [CONTENT_CERTIFICATE_DER] = {certificate_der},
    [CONTENT_KEY_DER] = {key_der},
    [CONTENT_ENVOY_SDS] = {sds},
    [CONTENT_ENVOY_SDS_CA] = {sds_ca},
    [CONTENT_CRL] = {lists},
};

size_t output_parts(const struct output_source *source, enum content content,
                    struct output_part parts[static OUTPUT_PARTS_MOST])
{
    struct parts list = {.items = parts};

    for (size_t i = 0; i < PIECES_MOST && pieces[content][i] != NULL; i++)
        pieces[content][i](&list, source);
    return list.count;
}

/* -- files for Envoy's SDS ------------------------------------------------------------------------
 */

#define RESOURCE                                                                                   \
    "resources:\n"                                                                                 \
    "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"          \
    "  name: %s\n"

/* Whether the UTF-8 character at `at` may stand in a quoted YAML text and is no line break: YAML
 * 1.2 section 5.1; in YAML 1.1 NEL, LS and PS are line breaks. JSON escapes characters below a
 * space. */
static bool yaml_has(const char *at)
{
    static const char *const odd[] = {"\x7f",         "\xe2\x80\xa8", "\xe2\x80\xa9",
                                      "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"};

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (text_starts(at, odd[i]) != NULL)
            return false;
    return at[0] != '\xc2' || (unsigned char)at[1] >= 0xa0; /* not U+0080 to U+009F (C1) */
}

/* The text in double quotes, valid in JSON and YAML; NULL if it is not UTF-8 or not printable. */
static char *quote(const char *text)
{
    json_auto_t *string = json_string(text);

    for (const char *at = text; *at != '\0'; at++)
        if (!yaml_has(at))
            return NULL;
    return json_text(string, JSON_ENCODE_ANY);
}

/* The visible path of the set's file with that content, in quotes. */
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

/* Checks the result of asprintf, which leaves *text undefined when it fails. */
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
