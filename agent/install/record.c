#include "install/record.h"

#include "base/json.h"
#include "pki/path.h"

#include <jansson.h>

#include <string.h>

const char record_name[] = "..record";

/* Version 1 knew neither old CA certificates nor formats, and reads as one without. */
enum { RECORD_VERSION = 2, RECORD_OLDEST_VERSION = 1 };

static struct request_facts request_of(const struct cert_config *cert)
{
    return (struct request_facts){
        .request = cert->request,
        .pki_mount = cert->pki_mount,
        .pki_role = cert->pki_role,
        .issuer = cert->issuer,
        .key_from_ca = cert->key_source == KEY_FROM_VAULT,
    };
}

bool record_is_of(const struct record *record, const struct cert_config *cert)
{
    return strcmp(record->cert, cert->name) == 0;
}

/* What differs first, in words that follow "the"; NULL if nothing does. */
static const char *first_difference(const struct request_facts *published,
                                    const struct request_facts *wanted)
{
    if (!names_equal(&published->request.names, &wanted->request.names))
        return "names changed";
    if (published->request.key_type != wanted->request.key_type)
        return "key type changed";
    if (published->request.usage != wanted->request.usage)
        return "usage changed";
    if (published->request.ttl_s != wanted->request.ttl_s)
        return "ttl changed";
    if (!text_equal(published->pki_mount, wanted->pki_mount))
        return "PKI mount changed";
    if (!text_equal(published->pki_role, wanted->pki_role))
        return "PKI role changed";
    if (!text_equal(published->issuer, wanted->issuer))
        return "issuer changed";
    if (published->key_from_ca != wanted->key_from_ca)
        return "key source changed";
    return NULL;
}

const char *record_difference(const struct record *record, const struct cert_config *cert)
{
    const struct request_facts wanted = request_of(cert);
    const struct names *names = &cert->request.names, *got = &record->leaf.names;
    const char *difference = first_difference(&record->request, &wanted);

    if (difference == NULL &&
        (names_missing_san(names, got) != NULL ||
         (names->common_name != NULL && !text_equal(names->common_name, got->common_name))))
        difference = "the certificate lacks names of the section";
    return difference;
}

static void digest_text(struct digest *digest, const char *text)
{
    if (text != NULL)
        digest_add(digest, text, strlen(text));
    digest_add(digest, "", 1);
}

bool record_formats(const struct cert_config *cert, char to[static DIGEST_HEX_BYTES],
                    struct err *err)
{
    struct digest digest = {0};

    digest_text(&digest, cert->key_encoding == KEY_TRADITIONAL ? "traditional" : "pkcs8");
    digest_text(&digest, cert->keystore_encryption == KEYSTORE_LEGACY ? "legacy" : "modern");
    digest_text(&digest, cert->keystore_alias);
    digest_text(&digest, cert->sds_name);
    digest_text(&digest, cert->sds_ca_name);
    return digest_hex(&digest, to, err);
}

/* -- writing --------------------------------------------------------------------------------------
 */

static json_t *list_json(const struct text_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, json_string(list->items[i]));
    return array;
}

/* Adds the names to the object, which is freed if they cannot be; NULL is none. */
static json_t *with_names(json_t *object, const struct names *names)
{
    json_auto_t *added =
        json_pack("{s:s?, s:o, s:o, s:o, s:o, s:o}", "common_name", names->common_name, "dns_names",
                  list_json(&names->dns), "ip_addresses", list_json(&names->ip), "uris",
                  list_json(&names->uri), "email_addresses", list_json(&names->email), "subject",
                  list_json(&names->subject));

    if (added != NULL && json_object_update(object, added) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *request_json(const struct cert_config *cert)
{
    return with_names(json_pack("{s:s?, s:s?, s:s?, s:b, s:s, s:i, s:I}", "pki_mount",
                                cert->pki_mount, "pki_role", cert->pki_role, "issuer", cert->issuer,
                                "key_from_ca", cert->key_source == KEY_FROM_VAULT, "key_type",
                                key_type_words[cert->request.key_type], "usage",
                                (int)cert->request.usage, "ttl", (json_int_t)cert->request.ttl_s),
                      &cert->request.names);
}

static bool digest_of_text(const char *text, char to[static DIGEST_HEX_BYTES])
{
    struct digest digest = {0};
    struct err err;

    digest_add(&digest, text, strlen(text));
    return digest_hex(&digest, to, &err);
}

/* What the certificate says, so that nobody has to decode it again. */
static json_t *leaf_json(const struct issued *issued)
{
    const struct certificate_facts *leaf = &issued->leaf;
    char of[DIGEST_HEX_BYTES];

    if (!digest_of_text(issued->leaf_pem, of))
        return NULL;
    return with_names(json_pack("{s:s, s:I, s:I, s:i, s:s, s:s, s:s, s:s, s:s}", "of", of,
                                "not_before", (json_int_t)leaf->validity.not_before, "not_after",
                                (json_int_t)leaf->validity.not_after, "other_names",
                                (int)leaf->other_names, "serial", leaf->serial, "sha256",
                                leaf->fingerprint, "issuer", leaf->issuer, "authority_key",
                                leaf->authority_key, "subject_key", leaf->subject_key),
                      &leaf->names);
}

static json_t *files_json(const struct cert_config *cert, const char (*digests)[DIGEST_HEX_BYTES])
{
    json_t *array = json_array();

    for (size_t i = 0; i < cert->outputs.count; i++) {
        const struct output *output = &cert->outputs.items[i];

        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:i, s:I, s:I, s:s}", "name", output->name,
                                        "content", content_words[output->content], "mode",
                                        (int)output->mode, "owner", (json_int_t)output->owner,
                                        "group", (json_int_t)output->group, "sha256", digests[i]));
    }
    return array;
}

static json_t *old_cas_json(const struct issued *issued)
{
    json_t *array = json_array();

    for (size_t i = 0; i < issued->old_ca_count; i++) {
        const struct old_ca *old = &issued->old_cas[i];

        json_array_append_new(array, json_pack("{s:s, s:I, s:I, s:b}", "certificate", old->pem,
                                               "last_current", (json_int_t)old->last_current_s,
                                               "not_after", (json_int_t)old->not_after_s,
                                               "announced", old->is_announced));
    }
    return array;
}

char *record_text(const struct cert_config *cert, const struct issued *issued,
                  const char (*digests)[DIGEST_HEX_BYTES])
{
    char formats[DIGEST_HEX_BYTES] = "";
    struct err err;
    json_auto_t *record =
        record_formats(cert, formats, &err)
            ? json_pack("{s:i, s:s, s:I, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}",
                        "version", RECORD_VERSION, "cert", cert->name, "issued",
                        (json_int_t)issued->issued_s, "end", (json_int_t)issued->end_s,
                        "request_id", issued->request_id, "certificate", issued->leaf_pem, "leaf",
                        leaf_json(issued), "chain", list_json(&issued->chain_pem), "ca",
                        list_json(&issued->ca_pem), "old_cas", old_cas_json(issued), "formats",
                        formats, "request", request_json(cert), "files", files_json(cert, digests))
            : NULL;

    /* A part that could not be allocated makes the pack fail, or is missing: never write that. */
    if (json_object_size(record) != 13 ||
        json_array_size(json_object_get(record, "files")) != cert->outputs.count ||
        json_array_size(json_object_get(record, "old_cas")) != issued->old_ca_count)
        return NULL;
    return json_text(record, JSON_INDENT(1));
}

/* -- reading --------------------------------------------------------------------------------------
 */

static bool read_text(const json_t *json, const char *name, struct arena *arena,
                      const char **ret_text)
{
    const char *text = json_string_value(json_object_get(json, name));

    if (text == NULL)
        return json_is_null(json_object_get(json, name));
    *ret_text = arena_copy(arena, text);
    return *ret_text != NULL;
}

static bool read_list(const json_t *json, const char *name, struct arena *arena,
                      struct text_list *list)
{
    const json_t *array = json_object_get(json, name);

    if (!json_is_array(array))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *item = json_string_value(json_array_get(array, i));

        if (item == NULL || !text_list_add(list, arena, item, strlen(item)))
            return false;
    }
    return true;
}

/* The index of the text at `name` among `words`, which end with NULL; false if it is none. */
static bool read_word(const json_t *json, const char *name, const char *const *words,
                      unsigned *ret_index)
{
    const char *text = json_string_value(json_object_get(json, name));

    for (*ret_index = 0; text != NULL && words[*ret_index] != NULL; ++*ret_index)
        if (strcmp(text, words[*ret_index]) == 0)
            return true;
    return false;
}

static bool read_names(const json_t *json, struct arena *arena, struct names *names)
{
    return read_text(json, "common_name", arena, &names->common_name) &&
           read_list(json, "dns_names", arena, &names->dns) &&
           read_list(json, "ip_addresses", arena, &names->ip) &&
           read_list(json, "uris", arena, &names->uri) &&
           read_list(json, "email_addresses", arena, &names->email) &&
           /* Records of earlier releases do not have it. */
           (json_object_get(json, "subject") == NULL ||
            read_list(json, "subject", arena, &names->subject));
}

static bool read_request(const json_t *json, struct arena *arena, struct request_facts *request)
{
    unsigned key_type;

    if (!read_text(json, "pki_mount", arena, &request->pki_mount) ||
        !read_text(json, "pki_role", arena, &request->pki_role) ||
        !read_text(json, "issuer", arena, &request->issuer) ||
        !read_names(json, arena, &request->request.names) ||
        !read_word(json, "key_type", key_type_words, &key_type))
        return false;
    request->request.key_type = (enum key_type)key_type;
    request->key_from_ca = json_is_true(json_object_get(json, "key_from_ca"));
    request->request.usage = (unsigned)json_integer_value(json_object_get(json, "usage"));
    request->request.ttl_s = (uint64_t)json_integer_value(json_object_get(json, "ttl"));
    return true;
}

static bool read_file(const json_t *json, struct arena *arena, struct record_file *file)
{
    const char *digest = json_string_value(json_object_get(json, "sha256"));
    unsigned content;

    if (!read_text(json, "name", arena, &file->output.name) || file->output.name == NULL ||
        strchr(file->output.name, '/') != NULL ||
        !read_word(json, "content", content_words, &content) || digest == NULL ||
        strlen(digest) != DIGEST_HEX_BYTES - 1)
        return false;
    memcpy(file->digest, digest, DIGEST_HEX_BYTES);
    file->output.content = (enum content)content;
    file->output.mode = (mode_t)json_integer_value(json_object_get(json, "mode"));
    file->output.owner = json_integer_value(json_object_get(json, "owner"));
    file->output.group = json_integer_value(json_object_get(json, "group"));
    return true;
}

static bool read_files(const json_t *json, struct arena *arena, struct record *record)
{
    const json_t *array = json_object_get(json, "files");

    record->file_count = json_array_size(array);
    record->files = arena_take(arena, (record->file_count + 1) * sizeof *record->files);
    if (record->files == NULL)
        return false;
    for (size_t i = 0; i < record->file_count; i++)
        if (!read_file(json_array_get(array, i), arena, &record->files[i]))
            return false;
    return true;
}

static bool read_old_cas(const json_t *json, struct arena *arena, struct record *record)
{
    const json_t *array = json_object_get(json, "old_cas");
    size_t count = json_array_size(array);

    record->old_cas = arena_take(arena, (count + 1) * sizeof *record->old_cas);
    if (record->old_cas == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        struct old_ca *old = &record->old_cas[i];

        if (!read_text(item, "certificate", arena, &old->pem) || old->pem == NULL)
            return false;
        old->last_current_s = (uint64_t)json_integer_value(json_object_get(item, "last_current"));
        old->not_after_s = (uint64_t)json_integer_value(json_object_get(item, "not_after"));
        old->is_announced = json_is_true(json_object_get(item, "announced"));
    }
    record->old_ca_count = count;
    return true;
}

/* What version 1 did not have. */
static bool read_newer_parts(const json_t *json, json_int_t version, struct arena *arena,
                             struct record *record)
{
    if (version == RECORD_OLDEST_VERSION)
        return true;
    return read_text(json, "formats", arena, &record->formats) && read_old_cas(json, arena, record);
}

/* Records of earlier releases do not say it, but hold the path that tells it. */
static void read_end(const json_t *json, struct record *record)
{
    const struct validity *leaf = &record->leaf.validity;
    json_int_t end = json_integer_value(json_object_get(json, "end"));
    uint64_t at_s = record->issued_s > leaf->not_before ? record->issued_s : leaf->not_before;

    record->end_s =
        end > 0 ? (uint64_t)end
                : path_end_of_texts(record->leaf_pem, &record->chain_pem, &record->ca_pem, at_s);
    record->end_s = duration_shorter(record->end_s, leaf->not_after);
}

/* A text of just that size at most, ended. */
static bool read_into(const json_t *json, const char *name, char *to, size_t bytes)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL && (size_t)snprintf(to, bytes, "%s", text) < bytes;
}

/* Whether the record tells what this certificate says. */
static bool read_leaf_facts(const json_t *json, const char *pem, struct arena *arena,
                            struct certificate_facts *ret_facts)
{
    const char *of = json_string_value(json_object_get(json, "of"));
    char digest[DIGEST_HEX_BYTES];
    struct certificate_facts facts = {
        .validity = {(uint64_t)json_integer_value(json_object_get(json, "not_before")),
                     (uint64_t)json_integer_value(json_object_get(json, "not_after"))},
        .other_names = (unsigned)json_integer_value(json_object_get(json, "other_names")),
    };

    if (of == NULL || !digest_of_text(pem, digest) || strcmp(of, digest) != 0 ||
        !read_names(json, arena, &facts.names) ||
        !read_into(json, "serial", facts.serial, sizeof facts.serial) ||
        !read_into(json, "sha256", facts.fingerprint, sizeof facts.fingerprint) ||
        !read_text(json, "issuer", arena, &facts.issuer) || facts.issuer == NULL ||
        !read_into(json, "authority_key", facts.authority_key, sizeof facts.authority_key) ||
        !read_into(json, "subject_key", facts.subject_key, sizeof facts.subject_key))
        return false;
    *ret_facts = facts;
    return true;
}

/* Records of earlier releases do not tell it. */
static bool read_leaf(const json_t *json, struct arena *arena, struct record *record,
                      struct err *err)
{
    if (read_leaf_facts(json_object_get(json, "leaf"), record->leaf_pem, arena, &record->leaf) ||
        certificate_read(record->leaf_pem, arena, &record->leaf, err))
        return true;
    err->kind = ERR_LOCAL; /* it was sound when the CA sent it */
    return err_wrap(err, "the record is damaged");
}

bool record_read(const char *text, size_t length, struct arena *arena, struct record *ret_record,
                 struct err *err)
{
    json_auto_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    struct record record = {.request_id = ""};
    json_int_t version = json_integer_value(json_object_get(json, "version"));

    if (version < RECORD_OLDEST_VERSION || version > RECORD_VERSION)
        return err_set(err, ERR_LOCAL, "the record is damaged, or of another version of leafd");
    record.issued_s = (uint64_t)json_integer_value(json_object_get(json, "issued"));
    if (!read_text(json, "cert", arena, &record.cert) || record.cert == NULL ||
        !read_text(json, "request_id", arena, &record.request_id) ||
        !read_text(json, "certificate", arena, &record.leaf_pem) || record.leaf_pem == NULL ||
        !read_list(json, "chain", arena, &record.chain_pem) ||
        !read_list(json, "ca", arena, &record.ca_pem) ||
        !read_newer_parts(json, version, arena, &record) ||
        !read_request(json_object_get(json, "request"), arena, &record.request) ||
        !read_files(json, arena, &record))
        return err_set(err, ERR_LOCAL, "the record is damaged");
    if (!read_leaf(json, arena, &record, err))
        return false;
    read_end(json, &record);
    *ret_record = record;
    return true;
}
