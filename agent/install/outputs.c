#include "install/outputs.h"

#include "base/when.h"
#include "pki/key.h"

#include <jansson.h>

#include <string.h>

static json_t *texts(const struct text_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, json_string(list->items[i]));
    return array;
}

/* The content `metadata`, whose fields leafd.ini(5) lists. */
static char *metadata_text(const struct cert_config *cert, const struct issued *issued)
{
    const struct certificate_facts *leaf = &issued->leaf;
    char not_before[WHEN_TEXT_BYTES], not_after[WHEN_TEXT_BYTES];
    json_auto_t *metadata = NULL;

    when_text(leaf->validity.not_before, not_before);
    when_text(leaf->validity.not_after, not_after);
    metadata = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:s, s:s, s:s}", "cert",
        cert->name, "serial", leaf->serial, "sha256", leaf->fingerprint, "issuer", leaf->issuer,
        "not_before", not_before, "not_after", not_after, "common_name", leaf->names.common_name,
        "dns_names", texts(&leaf->names.dns), "ip_addresses", texts(&leaf->names.ip), "uris",
        texts(&leaf->names.uri), "email_addresses", texts(&leaf->names.email), "pki_mount",
        cert->pki_mount, "pki_role", cert->pki_role, "request_id", issued->request_id);
    return metadata == NULL ? NULL : json_dumps(metadata, JSON_INDENT(2));
}

bool output_source_open(const struct cert_config *cert, const struct issued *issued,
                        struct output_source *ret_source, struct err *err)
{
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;

    *ret_source = (struct output_source){.issued = issued, .key_pem = &issued->key_pem};
    ret_source->metadata = metadata_text(cert, issued);
    if (ret_source->metadata == NULL)
        return err_memory(err);
    if (cert->key_encoding == KEY_PKCS8)
        return true;
    ret_source->key_pem = &ret_source->traditional_key_pem;
    return key_from_pem(secret_expose(&issued->key_pem), issued->key_pem.length, &key, err) &&
           key_to_pem(key, true, &ret_source->traditional_key_pem, err);
}

void output_source_free(struct output_source *source)
{
    secret_wipe(&source->traditional_key_pem);
    free(source->metadata);
    source->metadata = NULL;
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

static void add_list(struct parts *parts, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        add(parts, list->items[i], strlen(list->items[i]));
}

static void add_fullchain(struct parts *parts, const struct issued *issued)
{
    add(parts, issued->leaf_pem, strlen(issued->leaf_pem));
    add_list(parts, &issued->chain_pem);
}

static void add_key(struct parts *parts, const struct secret *key_pem)
{
    add(parts, secret_expose(key_pem), key_pem->length);
}

size_t output_parts(const struct output_source *source, enum content content,
                    struct output_part parts[static OUTPUT_PARTS_MOST])
{
    const struct issued *issued = source->issued;
    struct parts list = {.items = parts};

    switch (content) {
    case CONTENT_CERTIFICATE:
        add(&list, issued->leaf_pem, strlen(issued->leaf_pem));
        break;
    case CONTENT_CHAIN:
        add_list(&list, &issued->chain_pem);
        break;
    case CONTENT_FULLCHAIN:
        add_fullchain(&list, issued);
        break;
    case CONTENT_CA:
        add_list(&list, &issued->ca_pem);
        break;
    case CONTENT_KEY:
        add_key(&list, source->key_pem);
        break;
    case CONTENT_COMBINED:
        add_fullchain(&list, issued);
        add_key(&list, source->key_pem);
        break;
    case CONTENT_BUNDLE:
        add_key(&list, source->key_pem);
        add_fullchain(&list, issued);
        break;
    case CONTENT_METADATA:
        add(&list, source->metadata, strlen(source->metadata));
        add(&list, "\n", 1);
        break;
    case CONTENT_COUNT:
        break;
    }
    return list.count;
}
