#include "install/record.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "pki/path.h"

#include <jansson.h>

#include <string.h>

const char record_name[] = "..record";

/* Version 1 has no old CA certificates and no formats. */
enum { RECORD_VERSION = 2, RECORD_OLDEST_VERSION = 1 };

static struct request_facts request_of(const struct cert_config *cert)
{
    return (struct request_facts){
        .request = cert->request,
        .pki_mount = cert->pki_mount,
        .pki_role = cert->pki_role,
        .issuer = cert->issuer,
        .key_from_ca = cert->key_origin.source == KEY_FROM_VAULT,
    };
}

bool record_is_of(const struct record *record, const struct cert_config *cert)
{
    return strcmp(record->cert, cert->name) == 0;
}

/* The first difference, in words that follow "the"; NULL: none. */
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

/* Adds the names to the object, which it frees on failure and which may be NULL. */
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
                                "key_from_ca", cert->key_origin.source == KEY_FROM_VAULT,
                                "key_type", key_type_words[cert->request.key_type], "usage",
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

void record_request_mark(const struct cert_config *cert, char to[static REQUEST_MARK_BYTES])
{
    json_auto_t *json = request_json(cert);
    CLEANUP(free_memory) char *text = json_text(json, JSON_COMPACT);
    char digest[DIGEST_HEX_BYTES] = "";

    if (text == NULL || !digest_of_text(text, digest))
        digest[0] = '\0';
    snprintf(to, REQUEST_MARK_BYTES, "%.*s", REQUEST_MARK_BYTES - 1, digest);
}

/* The facts of the certificate, so that it need not be decoded again. */
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

    /* If memory ran out, json_pack fails, or parts are missing: such a record must not be
     * written. */
    if (json_object_size(record) != 13 ||
        json_array_size(json_object_get(record, "files")) != cert->outputs.count ||
        json_array_size(json_object_get(record, "old_cas")) != issued->old_ca_count)
        return NULL;
    return json_text(record, JSON_INDENT(1));
}

/* -- reading --------------------------------------------------------------------------------------
 */

/* The members of the JSON as they are read; JSON numbers are int64_t. */
struct read_request {
    const char *pki_mount, *pki_role, *issuer;
    bool key_from_ca;
    unsigned key_type;
    int64_t usage, ttl_s;
    struct names names;
};

struct read_leaf {
    char of[DIGEST_HEX_BYTES];
    int64_t not_before, not_after, other_names;
    struct certificate_facts facts;
};

struct read_file {
    const char *name;
    unsigned content;
    int64_t mode, owner, group;
    char digest[DIGEST_HEX_BYTES];
};

struct read_old_ca {
    const char *pem;
    int64_t last_current_s, not_after_s;
    bool is_announced;
};

struct read_record {
    int64_t version, issued_s, end_s;
    struct record record;
    struct read_leaf leaf;
    bool has_leaf; /* the record holds the certificate's facts; those of earlier releases do not */
};

#define MEMBER(kind, type, name, field)                                                            \
    name, JSON_MEMBER_##kind, true, offsetof(struct type, field), sizeof((struct type *)NULL)->field
/* A member that records of earlier releases lack. */
#define NEWER(kind, type, name, field)                                                             \
    name, JSON_MEMBER_##kind, false, offsetof(struct type, field), 0
#define NAMES(type, names)                                                                         \
    {MEMBER(TEXT, type, "common_name", names.common_name), NULL},                                  \
        {MEMBER(TEXTS, type, "dns_names", names.dns), NULL},                                       \
        {MEMBER(TEXTS, type, "ip_addresses", names.ip), NULL},                                     \
        {MEMBER(TEXTS, type, "uris", names.uri), NULL},                                            \
        {MEMBER(TEXTS, type, "email_addresses", names.email), NULL},                               \
    {                                                                                              \
        NEWER(TEXTS, type, "subject", names.subject), NULL                                         \
    }

static bool read_key_type(struct json_scan *scan, void *field)
{
    return json_scan_word(scan, key_type_words, field);
}

static bool read_request(struct json_scan *scan, void *field)
{
    static const struct json_member members[] = {
        {MEMBER(TEXT, read_request, "pki_mount", pki_mount), NULL},
        {MEMBER(TEXT, read_request, "pki_role", pki_role), NULL},
        {MEMBER(TEXT, read_request, "issuer", issuer), NULL},
        {NEWER(TRUTH, read_request, "key_from_ca", key_from_ca), NULL},
        {MEMBER(OTHER, read_request, "key_type", key_type), read_key_type},
        {NEWER(INT64, read_request, "usage", usage), NULL},
        {NEWER(INT64, read_request, "ttl", ttl_s), NULL},
        NAMES(read_request, names),
        {0},
    };
    struct read_request read = {0};

    if (!json_scan_object(scan, members, &read))
        return false;
    *(struct request_facts *)field = (struct request_facts){
        .request = {.names = read.names,
                    .key_type = (enum key_type)read.key_type,
                    .usage = (unsigned)read.usage,
                    .ttl_s = (uint64_t)read.ttl_s},
        .pki_mount = read.pki_mount,
        .pki_role = read.pki_role,
        .issuer = read.issuer,
        .key_from_ca = read.key_from_ca,
    };
    return true;
}

static bool read_content(struct json_scan *scan, void *field)
{
    return json_scan_word(scan, content_words, field);
}

static bool read_file(struct json_scan *scan, void *field)
{
    static const struct json_member members[] = {
        {MEMBER(TEXT, read_file, "name", name), NULL},
        {MEMBER(OTHER, read_file, "content", content), read_content},
        {NEWER(INT64, read_file, "mode", mode), NULL},
        {NEWER(INT64, read_file, "owner", owner), NULL},
        {NEWER(INT64, read_file, "group", group), NULL},
        {MEMBER(CHARS, read_file, "sha256", digest), NULL},
        {0},
    };
    struct record *record = field;
    struct read_file read = {0};
    struct record_file *file;

    if (!json_scan_object(scan, members, &read) || read.name == NULL ||
        strchr(read.name, '/') != NULL || strlen(read.digest) != DIGEST_HEX_BYTES - 1)
        return false;
    file = arena_append(scan->arena, &record->files, &record->file_count, sizeof *file);
    if (file == NULL)
        return false;
    file->output = (struct output){.name = read.name,
                                   .content = (enum content)read.content,
                                   .mode = (mode_t)read.mode,
                                   .owner = read.owner,
                                   .group = read.group};
    memcpy(file->digest, read.digest, sizeof file->digest);
    return true;
}

static bool read_files(struct json_scan *scan, void *field)
{
    return json_scan_items(scan, read_file, field);
}

static bool read_old_ca(struct json_scan *scan, void *field)
{
    static const struct json_member members[] = {
        {MEMBER(TEXT, read_old_ca, "certificate", pem), NULL},
        {NEWER(INT64, read_old_ca, "last_current", last_current_s), NULL},
        {NEWER(INT64, read_old_ca, "not_after", not_after_s), NULL},
        {NEWER(TRUTH, read_old_ca, "announced", is_announced), NULL},
        {0},
    };
    struct record *record = field;
    struct read_old_ca read = {0};
    struct old_ca *old;

    if (!json_scan_object(scan, members, &read) || read.pem == NULL)
        return false;
    old = arena_append(scan->arena, &record->old_cas, &record->old_ca_count, sizeof *old);
    if (old == NULL)
        return false;
    *old = (struct old_ca){.pem = read.pem,
                           .last_current_s = (uint64_t)read.last_current_s,
                           .not_after_s = (uint64_t)read.not_after_s,
                           .is_announced = read.is_announced};
    return true;
}

static bool read_old_cas(struct json_scan *scan, void *field)
{
    return json_scan_items(scan, read_old_ca, field);
}

/* A damaged member is ignored; the certificate is decoded then. */
static bool read_leaf_facts(struct json_scan *scan, void *field)
{
    static const struct json_member members[] = {
        {MEMBER(CHARS, read_leaf, "of", of), NULL},
        {NEWER(INT64, read_leaf, "not_before", not_before), NULL},
        {NEWER(INT64, read_leaf, "not_after", not_after), NULL},
        {NEWER(INT64, read_leaf, "other_names", other_names), NULL},
        {MEMBER(CHARS, read_leaf, "serial", facts.serial), NULL},
        {MEMBER(CHARS, read_leaf, "sha256", facts.fingerprint), NULL},
        {MEMBER(TEXT, read_leaf, "issuer", facts.issuer), NULL},
        {MEMBER(CHARS, read_leaf, "authority_key", facts.authority_key), NULL},
        {MEMBER(CHARS, read_leaf, "subject_key", facts.subject_key), NULL},
        NAMES(read_leaf, facts.names),
        {0},
    };
    struct read_record *read = field;

    read->has_leaf =
        json_scan_object(scan, members, &read->leaf) && read->leaf.facts.issuer != NULL;
    return !scan->is_broken;
}

static const struct json_member record_members[] = {
    {NEWER(INT64, read_record, "version", version), NULL},
    {MEMBER(TEXT, read_record, "cert", record.cert), NULL},
    {NEWER(INT64, read_record, "issued", issued_s), NULL},
    {NEWER(INT64, read_record, "end", end_s), NULL},
    {MEMBER(TEXT, read_record, "request_id", record.request_id), NULL},
    {MEMBER(TEXT, read_record, "certificate", record.leaf_pem), NULL},
    {"leaf", JSON_MEMBER_OTHER, false, 0, 0, read_leaf_facts},
    {MEMBER(TEXTS, read_record, "chain", record.chain_pem), NULL},
    {MEMBER(TEXTS, read_record, "ca", record.ca_pem), NULL},
    {NEWER(OTHER, read_record, "old_cas", record), read_old_cas},
    {NEWER(TEXT, read_record, "formats", record.formats), NULL},
    {MEMBER(OTHER, read_record, "request", record.request), read_request},
    {NEWER(OTHER, read_record, "files", record), read_files},
    {0},
};

/* Records of earlier releases have no `end`, which is then computed from the path. */
static void take_end(struct record *record, int64_t end_s)
{
    const struct validity *leaf = &record->leaf.validity;
    uint64_t at_s = record->issued_s > leaf->not_before ? record->issued_s : leaf->not_before;

    record->end_s =
        end_s > 0 ? (uint64_t)end_s
                  : path_end_of_texts(record->leaf_pem, &record->chain_pem, &record->ca_pem, at_s);
    record->end_s = duration_shorter(record->end_s, leaf->not_after);
}

/* Uses the recorded facts if they are of this certificate; else decodes the certificate. */
static bool take_leaf(struct read_record *read, struct arena *arena, struct err *err)
{
    struct record *record = &read->record;
    char digest[DIGEST_HEX_BYTES];

    if (read->has_leaf && digest_of_text(record->leaf_pem, digest) &&
        strcmp(read->leaf.of, digest) == 0) {
        record->leaf = read->leaf.facts;
        record->leaf.validity =
            (struct validity){(uint64_t)read->leaf.not_before, (uint64_t)read->leaf.not_after};
        record->leaf.other_names = (unsigned)read->leaf.other_names;
        return true;
    }
    if (certificate_read(record->leaf_pem, arena, &record->leaf, err))
        return true;
    err->kind = ERR_LOCAL; /* it was valid when the CA sent it */
    return err_wrap(err, "the record is damaged");
}

bool record_read(const char *text, size_t length, struct arena *arena, struct record *ret_record,
                 struct err *err)
{
    struct read_record read = {.record.request_id = ""};
    struct json_scan scan = json_scan_begin(text, length, arena);
    bool is_whole = json_scan_object(&scan, record_members, &read) && json_scan_ended(&scan) &&
                    read.record.cert != NULL && read.record.leaf_pem != NULL;

    if (read.version < RECORD_OLDEST_VERSION || read.version > RECORD_VERSION)
        return err_set(err, ERR_LOCAL, "the record is damaged, or of another version of leafd");
    if (!is_whole || (read.version != RECORD_OLDEST_VERSION && read.record.formats == NULL))
        return err_set(err, ERR_LOCAL, "the record is damaged");
    if (read.version == RECORD_OLDEST_VERSION) {
        read.record.formats = NULL;
        read.record.old_cas = NULL;
        read.record.old_ca_count = 0;
    }
    read.record.issued_s = (uint64_t)read.issued_s;
    if (!take_leaf(&read, arena, err))
        return false;
    take_end(&read.record, read.end_s);
    *ret_record = read.record;
    return true;
}
