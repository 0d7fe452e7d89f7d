/* The formats beside PEM, and the trust that outlives a change of the CA. */
#include "unit.h"

#include "certs.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "install/installed.h"
#include "install/outputs.h"
#include "install/publish.h"
#include "install/set_claim.h"
#include "install/trust_bundle.h"
#include "pki/key.h"
#include "pki/keystore.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static const struct output file_kinds[] = {
    {"tls.crt", CONTENT_FULLCHAIN, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"tls.key", CONTENT_KEY, 0600, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"ca.crt", CONTENT_CA, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"key.p12", CONTENT_PKCS12, 0600, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"trust.p12", CONTENT_TRUSTSTORE, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"tls.der", CONTENT_CERTIFICATE_DER, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"key.der", CONTENT_KEY_DER, 0600, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"sds.yaml", CONTENT_ENVOY_SDS, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    {"sds-ca.yaml", CONTENT_ENVOY_SDS_CA, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
};

struct set {
    char path[64], password_file[96];
    int fd;
    struct set_claim *claim;
    struct output outputs[COUNT_OF(file_kinds)];
    struct cert_config cert;
    struct issued issued;
};

/* -- what everything is made of -------------------------------------------------------------------
 */

static const char *pem_in(struct arena *arena, X509 *certificate)
{
    char *pem = certs_pem(certificate);
    const char *copy = arena_format(arena, "%s\n", pem);

    free(pem);
    return copy;
}

/* A leaf for `key` by an intermediate by a root, all new. */
static void fill_issued(struct issued *issued, EVP_PKEY *key)
{
    EVP_PKEY *ca_key = certs_key(0);
    X509 *root =
        certs_make(&(struct cert_order){.common_name = "root", .is_ca = 1}, ca_key, NULL, NULL);
    X509 *middle =
        certs_make(&(struct cert_order){.common_name = "middle", .is_ca = 1}, ca_key, root, ca_key);
    X509 *leaf = certs_make(&(struct cert_order){.san = "DNS:a.example.com"}, key, middle, ca_key);
    const char *pem;
    struct err err;

    *issued = (struct issued){.issued_s = 1700000000, .request_id = "id-1"};
    issued->leaf_pem = pem_in(&issued->arena, leaf);
    pem = pem_in(&issued->arena, middle);
    assert_true(text_list_add(&issued->chain_pem, &issued->arena, pem, strlen(pem)));
    pem = pem_in(&issued->arena, root);
    assert_true(text_list_add(&issued->ca_pem, &issued->arena, pem, strlen(pem)));
    assert_true(certificate_read(issued->leaf_pem, &issued->arena, &issued->leaf, &err));
    assert_true(key_to_pem(key, false, &issued->key_pem, &err));
    X509_free(root);
    X509_free(middle);
    X509_free(leaf);
    EVP_PKEY_free(ca_key);
}

static void issue_anew(struct set *set)
{
    EVP_PKEY *key = certs_key(0);

    issued_free(&set->issued);
    fill_issued(&set->issued, key);
    EVP_PKEY_free(key);
}

static void write_password(const struct set *set, const char *text)
{
    FILE *file = fopen(set->password_file, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_set(void **state)
{
    struct set *set = calloc(1, sizeof *set);
    struct err err;

    snprintf(set->path, sizeof set->path, "/tmp/leafd-unit-XXXXXX");
    if (mkdtemp(set->path) == NULL)
        return 1;
    snprintf(set->password_file, sizeof set->password_file, "%s-password", set->path);
    memcpy(set->outputs, file_kinds, sizeof file_kinds);
    set->cert = (struct cert_config){
        .name = "web",
        .directory = set->path,
        .directory_mode = 0755,
        .pki_mount = "pki",
        .pki_role = "web",
        .outputs = {set->outputs, COUNT_OF(file_kinds)},
        .keystore_password_file = set->password_file,
        .keystore_alias = "web",
        .sds_name = "leaf",
        .sds_ca_name = "leaf-ca",
    };
    write_password(set, "changeit\n");
    issue_anew(set);
    *state = set;
    return !set_claim_take(set->path, 0755, &set->claim, &set->fd, &err);
}

static int remove_set(void **state)
{
    struct set *set = *state;
    char command[256];

    close(set->fd);
    set_claim_drop(set->claim);
    issued_free(&set->issued);
    snprintf(command, sizeof command, "rm -rf %s %s", set->path, set->password_file);
    free(set);
    return system(command);
}

static void publish_now(struct set *set)
{
    char generation[GENERATION_NAME_BYTES], previous[GENERATION_NAME_BYTES];
    struct err err;

    assert_true(trust_bundle_fill(set->fd, &set->cert, &set->issued, &err));
    assert_true(generation_stage(set->fd, &set->cert, &set->issued, generation, &err));
    assert_true(publish_swap(set->fd, &set->cert, generation, previous, &err));
}

static struct bytes read_all(const struct set *set, const char *name)
{
    struct bytes bytes = {.limit = 100000};
    struct err err;

    assert_true(file_read_at(set->fd, name, &bytes, &err));
    return bytes;
}

static enum installed_health health_of(struct set *set, const char *says)
{
    struct installed installed;
    enum installed_health health;

    installed_read(set->fd, &set->cert, &installed);
    health = installed.health;
    if (says != NULL)
        assert_non_null(strstr(installed.why, says));
    installed_free(&installed);
    return health;
}

static struct secret secret_of(const char *text)
{
    struct secret secret = {0};
    struct err err;

    assert_true(secret_copy(&secret, text, strlen(text), &err));
    return secret;
}

/* -- keys as DER ----------------------------------------------------------------------------------
 */

static void every_key_type_is_written_as_der_and_read(void **state)
{
    struct err err;

    (void)state;
    for (enum key_type type = 0; type < KEY_TYPE_COUNT; type++) {
        EVP_PKEY *key = NULL;

        if (unit_takes_minutes(type))
            continue;
        assert_true(key_generate(type, &key, &err));
        for (int traditional = 0; traditional < 2; traditional++) {
            struct secret der = {0};
            EVP_PKEY *again = NULL;
            const unsigned char *at;
            PKCS8_PRIV_KEY_INFO *info;

            assert_true(key_to_der(key, traditional != 0, &der, &err));
            at = (const unsigned char *)secret_expose(&der);
            info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.length);
            assert_int_equal(info != NULL, !traditional || type == KEY_ED25519);
            PKCS8_PRIV_KEY_INFO_free(info);
            assert_true(key_from_der(secret_expose(&der), der.length, &again, &err));
            assert_int_equal(EVP_PKEY_eq(key, again), 1);
            key_free(again);
            secret_wipe(&der);
        }
        key_free(key);
    }
    assert_false(key_from_der("nonsense", 8, &(EVP_PKEY *){NULL}, &err));
}

/* -- PKCS#12 --------------------------------------------------------------------------------------
 */

static PKCS12 *parse_store(const struct bytes *bytes)
{
    const unsigned char *at = (const unsigned char *)bytes->data;
    PKCS12 *store = d2i_PKCS12(NULL, &at, (long)bytes->length);

    assert_non_null(store);
    assert_ptr_equal(at, bytes->data + bytes->length);
    return store;
}

/* Whether cipher and MAC are those of the encryption: read by OpenSSL alone. */
static void check_algorithms(PKCS12 *store, bool legacy)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(store);
    const X509_ALGOR *mac;
    const ASN1_OBJECT *digest;
    int encrypted = 0;

    PKCS12_get0_mac(NULL, &mac, NULL, NULL, store);
    X509_ALGOR_get0(&digest, NULL, NULL, mac);
    assert_int_equal(OBJ_obj2nid(digest), legacy ? NID_sha1 : NID_sha256);
    for (int i = 0; i < sk_PKCS7_num(safes); i++) {
        PKCS7 *safe = sk_PKCS7_value(safes, i);

        if (!PKCS7_type_is_encrypted(safe))
            continue;
        encrypted++;
        assert_int_equal(OBJ_obj2nid(safe->d.encrypted->enc_data->algorithm->algorithm),
                         legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_pbes2);
    }
    assert_int_equal(encrypted, 1);
    sk_PKCS7_pop_free(safes, PKCS7_free);
}

static void a_keystore_gives_back_leaf_key_and_chain(void **state)
{
    struct secret password = secret_of("changeit"), wrong = secret_of("changeIt");
    EVP_PKEY *rsa = certs_key(2048);

    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct keystore_lock lock = {&password, i % 2 == 1};
        EVP_PKEY *key = i < 2 ? certs_key(0) : rsa, *again = NULL;
        struct bytes der = {.limit = 100000};
        STACK_OF(X509) *chain = NULL;
        struct issued issued;
        X509 *leaf = NULL;
        PKCS12 *store;
        struct err err;
        int length;

        fill_issued(&issued, key);
        assert_true(
            keystore_make(&lock, "my name", key, issued.leaf_pem, &issued.chain_pem, &der, &err));
        store = parse_store(&der);
        check_algorithms(store, lock.legacy);
        assert_int_equal(PKCS12_parse(store, "changeit", &again, &leaf, &chain), 1);
        assert_int_equal(EVP_PKEY_eq(key, again), 1);
        assert_int_equal(X509_check_private_key(leaf, again), 1);
        assert_memory_equal(X509_alias_get0(leaf, &length), "my name", 7);
        assert_int_equal(sk_X509_num(chain), 1);
        assert_true(keystore_opens(der.data, der.length, &password));
        assert_false(keystore_opens(der.data, der.length, &wrong));
        assert_false(keystore_opens(der.data, der.length - 1, &password));
        EVP_PKEY_free(again);
        assert_true(keystore_key(der.data, der.length, &password, &again, &err));
        assert_int_equal(EVP_PKEY_eq(key, again), 1);
        EVP_PKEY_free(again);
        assert_false(keystore_key(der.data, der.length, &wrong, &again, &err));
        assert_false(keystore_key("nonsense", 8, &password, &again, &err));
        PKCS12_free(store);
        X509_free(leaf);
        sk_X509_pop_free(chain, X509_free);
        if (key != rsa)
            EVP_PKEY_free(key);
        issued_free(&issued);
        bytes_free(&der);
    }
    EVP_PKEY_free(rsa);
    secret_wipe(&password);
    secret_wipe(&wrong);
}

static void a_keystore_for_another_key_is_refused(void **state)
{
    struct secret password = secret_of("changeit");
    const struct keystore_lock lock = {&password, false};
    EVP_PKEY *key = certs_key(0), *other = certs_key(0);
    struct bytes der = {.limit = 100000};
    struct issued issued;
    struct err err;

    (void)state;
    fill_issued(&issued, key);
    assert_false(keystore_make(&lock, "x", other, issued.leaf_pem, &issued.chain_pem, &der, &err));
    assert_int_equal(err.kind, ERR_LOCAL);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    issued_free(&issued);
    bytes_free(&der);
    secret_wipe(&password);
}

/* Whether Java takes the bag for a trusted certificate. */
static bool has_java_mark(const PKCS12_SAFEBAG *bag)
{
    const STACK_OF(X509_ATTRIBUTE) *attributes = PKCS12_SAFEBAG_get0_attrs(bag);

    for (int i = 0; i < sk_X509_ATTRIBUTE_num(attributes); i++) {
        X509_ATTRIBUTE *attribute = sk_X509_ATTRIBUTE_value(attributes, i);
        char name[64];

        OBJ_obj2txt(name, sizeof name, X509_ATTRIBUTE_get0_object(attribute), 1);
        if (strcmp(name, "2.16.840.1.113894.746875.1.1") == 0 &&
            X509_ATTRIBUTE_count(attribute) == 1)
            return OBJ_obj2nid(X509_ATTRIBUTE_get0_data(attribute, 0, V_ASN1_OBJECT, NULL)) ==
                   NID_anyExtendedKeyUsage;
    }
    return false;
}

static void check_trusted_bags(PKCS12 *store, int count)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(store);
    STACK_OF(PKCS12_SAFEBAG) * bags;
    char names[8][64] = {{0}};

    assert_int_equal(sk_PKCS7_num(safes), 1);
    bags = PKCS12_unpack_p7encdata(sk_PKCS7_value(safes, 0), "changeit", -1);
    assert_int_equal(sk_PKCS12_SAFEBAG_num(bags), count);
    for (int i = 0; i < count; i++) {
        PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        char *name = PKCS12_get_friendlyname(bag);

        assert_true(has_java_mark(bag));
        assert_int_equal(strlen(name), strlen("ca-0123456789abcdef"));
        snprintf(names[i], sizeof names[i], "%s", name);
        OPENSSL_free(name);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    sk_PKCS7_pop_free(safes, PKCS7_free);
}

static void a_truststore_marks_every_certificate_for_java(void **state)
{
    struct secret password = secret_of("changeit");
    EVP_PKEY *key = certs_key(0);
    struct issued first, second;
    struct err err;

    (void)state;
    fill_issued(&first, key);
    fill_issued(&second, key);
    for (int legacy = 0; legacy < 2; legacy++) {
        const struct keystore_lock lock = {&password, legacy == 1};
        const char *items[] = {first.ca_pem.items[0], second.ca_pem.items[0]};
        const struct text_list trusted = {items, 2};
        struct bytes der = {.limit = 100000};
        PKCS12 *store;

        assert_true(keystore_trust(&lock, &trusted, &der, &err));
        store = parse_store(&der);
        check_algorithms(store, lock.legacy);
        check_trusted_bags(store, 2);
        assert_true(keystore_opens(der.data, der.length, &password));
        PKCS12_free(store);
        bytes_free(&der);
    }
    EVP_PKEY_free(key);
    issued_free(&first);
    issued_free(&second);
    secret_wipe(&password);
}

static void a_password_file_holds_one_line_of_ascii(void **state)
{
    static const struct {
        const char *text, *password; /* NULL: refused */
    } table[] = {{"changeit\n", "changeit"},
                 {"changeit", "changeit"},
                 {"changeit\r\n", "changeit"},
                 {" two words \n", " two words "},
                 {"", NULL},
                 {"\n", NULL},
                 {"a\nb\n", NULL},
                 {"a\n\n", NULL},
                 {"a\tb", NULL},
                 {"caf\xc3\xa9", NULL}};
    struct set *set = *state;
    struct secret password = {0};
    char long_text[1026];
    struct err err;

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        write_password(set, table[i].text);
        assert_int_equal(file_read_password(set->password_file, &password, &err),
                         table[i].password != NULL);
        if (table[i].password != NULL)
            assert_string_equal(secret_expose(&password), table[i].password);
    }
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    write_password(set, long_text);
    assert_false(file_read_password(set->password_file, &password, &err));
    write_password(set, "changeit");
    assert_int_equal(chmod(set->password_file, 0602), 0);
    assert_false(file_read_password(set->password_file, &password, &err));
    assert_non_null(strstr(err.text, "chmod o-w"));
    assert_false(file_read_password("/no/such", &password, &err));
    assert_int_equal(err.errnum, ENOENT);
    secret_wipe(&password);
}

/* -- a set with all of it -------------------------------------------------------------------------
 */

static void a_set_in_all_formats_is_written_and_found_whole(void **state)
{
    struct set *set = *state;
    struct bytes bytes;
    const unsigned char *at;
    struct arena arena = {0};
    X509 *leaf;

    publish_now(set);
    assert_int_equal(health_of(set, NULL), INSTALLED_WHOLE);
    bytes = read_all(set, "tls.der");
    at = (const unsigned char *)bytes.data;
    leaf = d2i_X509(NULL, &at, (long)bytes.length);
    assert_string_equal(pem_in(&arena, leaf), set->issued.leaf_pem);
    X509_free(leaf);
    bytes_free(&bytes);
    arena_free(&arena);
    set->cert.key_encoding = KEY_TRADITIONAL;
    set->cert.keystore_encryption = KEYSTORE_LEGACY;
    publish_now(set);
    assert_int_equal(health_of(set, NULL), INSTALLED_WHOLE);
}

static void envoy_is_told_of_the_visible_names(void **state)
{
    struct set *set = *state;
    struct bytes bytes;
    char wanted[1024];

    set->cert.sds_name = "say \"leaf\"";
    publish_now(set);
    bytes = read_all(set, "sds.yaml");
    snprintf(wanted, sizeof wanted,
             "resources:\n"
             "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
             "  name: \"say \\\"leaf\\\"\"\n"
             "  tls_certificate:\n"
             "    watched_directory: {path: \"%s\"}\n"
             "    certificate_chain: {filename: \"%s/tls.crt\"}\n"
             "    private_key: {filename: \"%s/tls.key\"}\n",
             set->path, set->path, set->path);
    assert_string_equal(bytes.data, wanted);
    bytes_free(&bytes);
    bytes = read_all(set, "sds-ca.yaml");
    assert_non_null(strstr(bytes.data, "  name: \"leaf-ca\"\n  validation_context:\n"));
    snprintf(wanted, sizeof wanted, "    trusted_ca: {filename: \"%s/ca.crt\"}\n", set->path);
    assert_non_null(strstr(bytes.data, wanted));
    bytes_free(&bytes);
}

/* YAML knows no such characters, or takes them for line breaks. */
static void what_envoy_would_misread_is_not_written(void **state)
{
    static const char *const names[] = {"a\x7f", "a\xc2\x85", "a\xe2\x80\xa8", "\xef\xbb\xbf",
                                        "a\xe9"};
    struct set *set = *state;
    struct err err;
    char *text;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        set->cert.sds_name = names[i];
        err = (struct err){.kind = ERR_NONE};
        assert_false(output_sds_certificate(&set->cert, &text, &err));
        assert_int_equal(err.kind, ERR_LOCAL);
        assert_non_null(strstr(err.text, "printable"));
    }
    set->cert.sds_name = "w\xc3\xa9"
                         "b \xf0\x9f\x98\x80";
    assert_true(output_sds_certificate(&set->cert, &text, &err));
    assert_non_null(strstr(text, set->cert.sds_name));
    free(text);
}

/* Who may write the file, but does not know its password, cannot have us stretch it for hours. */
static void a_keystore_that_takes_hours_to_open_is_not_opened(void **state)
{
    static const struct {
        long times;
        bool opens;
    } cases[] = {{1, true},
                 {KEYSTORE_MOST_STRETCHES, true},
                 {KEYSTORE_MOST_STRETCHES + 1, false},
                 {0x7fffffff, false}};
    struct secret password = secret_of("changeit");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        EVP_PKEY *key = certs_key(0), *again = NULL;
        PKCS12 *store = PKCS12_create("changeit", "x", key, NULL, NULL, -1, -1, 1, 1, 0);
        const ASN1_INTEGER *times;
        unsigned char *der = NULL;
        struct err err;
        int length;

        assert_non_null(store);
        if (cases[i].opens)
            assert_int_equal(
                PKCS12_set_mac(store, "changeit", 8, NULL, 0, (int)cases[i].times, EVP_sha256()),
                1);
        else
            PKCS12_set_mac(store, "changeit", 8, NULL, 0, 2, EVP_sha256());
        PKCS12_get0_mac(NULL, NULL, NULL, &times, store);
        if (!cases[i].opens)
            ASN1_INTEGER_set((ASN1_INTEGER *)times, cases[i].times);
        length = i2d_PKCS12(store, &der);
        assert_true(length > 0);
        assert_int_equal(keystore_opens((char *)der, (size_t)length, &password), cases[i].opens);
        assert_int_equal(keystore_key((char *)der, (size_t)length, &password, &again, &err),
                         cases[i].opens);
        EVP_PKEY_free(again);
        OPENSSL_free(der);
        PKCS12_free(store);
        EVP_PKEY_free(key);
    }
    secret_wipe(&password);
}

static void the_key_is_found_again_in_whatever_holds_it(void **state)
{
    static const enum content contents[] = {CONTENT_KEY, CONTENT_COMBINED, CONTENT_BUNDLE,
                                            CONTENT_KEY_DER, CONTENT_PKCS12};
    struct set *set = *state;
    struct err err;

    for (size_t i = 0; i < 2 * COUNT_OF(contents); i++) {
        struct output only = {"only",          contents[i / 2], 0600,
                              OWNER_UNCHANGED, OWNER_UNCHANGED, false};
        struct installed installed;
        struct issued again;

        set->cert.outputs = (struct output_list){&only, 1};
        set->cert.key_encoding = i % 2 == 0 ? KEY_PKCS8 : KEY_TRADITIONAL;
        publish_now(set);
        installed_read(set->fd, &set->cert, &installed);
        assert_int_equal(installed.health, INSTALLED_WHOLE);
        assert_true(installed_recover(set->fd, &set->cert, &installed, &again, &err));
        assert_string_equal(secret_expose(&again.key_pem), secret_expose(&set->issued.key_pem));
        issued_free(&again);
        installed_free(&installed);
    }
}

static void another_password_has_the_keystores_written_anew(void **state)
{
    struct set *set = *state;
    struct output only = {"key.p12", CONTENT_PKCS12, 0600, OWNER_UNCHANGED, OWNER_UNCHANGED, false};
    struct err err;

    publish_now(set);
    write_password(set, "another\n");
    assert_int_equal(health_of(set, "does not hold the password of key.p12 any more"),
                     INSTALLED_UNWANTED);
    publish_now(set);
    assert_int_equal(health_of(set, NULL), INSTALLED_WHOLE);

    /* With the key nowhere else, only a new certificate helps. */
    set->cert.outputs = (struct output_list){&only, 1};
    publish_now(set);
    write_password(set, "changed again\n");
    assert_int_equal(health_of(set, "no other file holds the key"), INSTALLED_NOTHING);

    /* A password that cannot be read breaks nothing that is there, but nothing new is begun. */
    unlink(set->password_file);
    assert_int_equal(health_of(set, NULL), INSTALLED_WHOLE);
    assert_false(generation_rehearse(set->fd, &set->cert, &err));
    assert_non_null(strstr(err.text, "keystore_password_file"));
    assert_false(generation_stage(set->fd, &set->cert, &set->issued, (char[64]){0}, &err));
    assert_int_equal(generation_sweep(set->fd, "", "", ""), 3);
}

static void another_format_has_the_files_written_anew(void **state)
{
    struct set *set = *state;

    publish_now(set);
    set->cert.keystore_alias = "tomcat";
    assert_int_equal(health_of(set, "other formats"), INSTALLED_UNWANTED);
    publish_now(set);
    set->cert.keystore_encryption = KEYSTORE_LEGACY;
    assert_int_equal(health_of(set, NULL), INSTALLED_UNWANTED);
    publish_now(set);
    set->cert.key_encoding = KEY_TRADITIONAL;
    assert_int_equal(health_of(set, NULL), INSTALLED_UNWANTED);
    publish_now(set);
    set->cert.sds_name = "other";
    assert_int_equal(health_of(set, NULL), INSTALLED_UNWANTED);
    publish_now(set);
    assert_int_equal(health_of(set, NULL), INSTALLED_WHOLE);
}

/* -- trust that overlaps --------------------------------------------------------------------------
 */

static void old_cas_stay_until_their_time_is_over(void **state)
{
    static const char *const now_current[] = {"new"};
    static const struct text_list current = {(const char **)now_current, 1};
    enum { NOW = 10000, OVERLAP = 100 };
    static const struct {
        struct old_ca old[3];
        const char *stays;       /* their texts, in order */
        uint64_t last_current_s; /* of the first that stays */
    } table[] = {
        {{{"a", NOW, 20000, false}}, "a", NOW},
        {{{"a", NOW - 99, 20000, false}}, "a", NOW - 99},
        {{{"a", NOW - 100, 20000, false}}, "", 0},
        {{{"a", 0, 20000, false}}, "", 0},
        {{{"a", NOW, NOW, false}}, "a", NOW},          /* its last second */
        {{{"a", NOW, NOW - 1, false}}, "", 0},         /* expired */
        {{{"new", NOW, 20000, false}}, "", 0},         /* current again */
        {{{"a", NOW + 5000, 20000, false}}, "a", NOW}, /* the clock was set back */
        {{{"a", NOW, 20000, false}, {"a", NOW - 50, 20000, false}}, "a", NOW},
        {{{"a", NOW, 20000, false}, {"b", NOW - 200, 20000, false}, {"c", NOW - 50, 20000, false}},
         "ac",
         NOW},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct old_ca kept[TRUST_OVERLAP_MOST];
        char texts[16] = "";
        size_t given = 0, count;

        while (given < 3 && table[i].old[given].pem != NULL)
            given++;
        count = trust_overlap(&current, table[i].old, given, OVERLAP, NOW, kept);
        for (size_t k = 0; k < count; k++)
            strcat(texts, kept[k].pem);
        assert_string_equal(texts, table[i].stays);
        if (count > 0)
            assert_int_equal(kept[0].last_current_s, table[i].last_current_s);
    }
    assert_int_equal(
        trust_overlap(&current, NULL, 0, OVERLAP, NOW, (struct old_ca[TRUST_OVERLAP_MOST]){{0}}),
        0);
}

static void no_more_old_cas_stay_than_the_most(void **state)
{
    static const char names[] = "abcdefghijklmnop";
    struct old_ca old[sizeof names - 1], kept[TRUST_OVERLAP_MOST];
    char texts[sizeof names - 1][2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(old); i++) {
        texts[i][0] = names[i];
        texts[i][1] = '\0';
        old[i] = (struct old_ca){texts[i], 100, 1000, false};
    }
    assert_int_equal(trust_overlap(&(struct text_list){0}, old, COUNT_OF(old), 50, 100, kept),
                     TRUST_OVERLAP_MOST);
    assert_string_equal(kept[TRUST_OVERLAP_MOST - 1].pem, "h");
}

static unsigned certificates_in(const struct set *set, const char *name)
{
    struct bytes bytes = read_all(set, name);
    unsigned count = 0;

    for (const char *at = bytes.data; (at = strstr(at, "BEGIN CERTIFICATE")) != NULL; at++)
        count++;
    bytes_free(&bytes);
    return count;
}

static void check_truststore(const struct set *set, int count)
{
    struct bytes bytes = read_all(set, "trust.p12");
    PKCS12 *store = parse_store(&bytes);

    check_trusted_bags(store, count);
    PKCS12_free(store);
    bytes_free(&bytes);
}

static void a_new_ca_stands_beside_the_old_one_for_a_while(void **state)
{
    struct set *set = *state;
    struct installed installed;
    struct issued again;
    uint64_t last_current_s;
    struct err err;

    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 1);
    issue_anew(set);
    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 2);
    check_truststore(set, 2);
    assert_int_equal(health_of(set, NULL), INSTALLED_WHOLE);

    /* Writing the same set anew keeps the old one, and since when it is old. */
    last_current_s = set->issued.old_cas[0].last_current_s;
    installed_read(set->fd, &set->cert, &installed);
    assert_true(installed_recover(set->fd, &set->cert, &installed, &again, &err));
    installed_free(&installed);
    issued_free(&set->issued);
    set->issued = again;
    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 2);
    assert_int_equal(set->issued.old_ca_count, 1);
    assert_int_equal(set->issued.old_cas[0].last_current_s, last_current_s);

    issue_anew(set);
    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 3);
    check_truststore(set, 3);
}

static void the_old_ca_goes_when_its_time_is_over(void **state)
{
    struct set *set = *state;
    char generation[GENERATION_NAME_BYTES], previous[GENERATION_NAME_BYTES];
    struct err err;

    publish_now(set);
    issue_anew(set);
    assert_true(trust_bundle_fill(set->fd, &set->cert, &set->issued, &err));
    assert_int_equal(set->issued.old_ca_count, 1);
    set->issued.old_cas[0].last_current_s -= 500;
    assert_true(generation_stage(set->fd, &set->cert, &set->issued, generation, &err));
    assert_true(publish_swap(set->fd, &set->cert, generation, previous, &err));
    set->cert.ca_overlap_s = 1000;
    assert_true(trust_bundle_fill(set->fd, &set->cert, &set->issued, &err));
    assert_int_equal(set->issued.old_ca_count, 1);
    set->cert.ca_overlap_s = 400;
    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 1);
}

static void a_top_that_cannot_be_read_is_not_announced_in_silence(void **state)
{
    struct set *set = *state;
    struct text_list tops = set->issued.ca_pem;
    struct err err = {0};

    assert_true(trust_bundle_announce(&tops, &set->issued, &err));
    assert_int_equal(set->issued.old_ca_count, tops.count);
    assert_true(set->issued.old_cas[0].is_announced);
    tops = (struct text_list){0};
    assert_true(text_list_add(&tops, &set->issued.arena, "no certificate", 14));
    assert_false(trust_bundle_announce(&tops, &set->issued, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
}

static void a_trust_anchor_alone_decides(void **state)
{
    struct set *set = *state;

    publish_now(set);
    set->cert.trust_anchor = "/etc/leafd/root.pem";
    issue_anew(set);
    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 1);
}

static void a_damaged_set_still_tells_its_old_cas(void **state)
{
    struct set *set = *state;

    publish_now(set);
    assert_int_equal(unlinkat(set->fd, "..data/tls.key", 0), 0);
    assert_int_equal(health_of(set, NULL), INSTALLED_NOTHING);
    issue_anew(set);
    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 2);
}

/* A record as the first version wrote it: the set of an older leafd is no reason to issue. */
static void a_record_of_the_first_version_is_read(void **state)
{
    struct set *set = *state;
    char path[160], *from, *to;
    struct bytes bytes;
    FILE *file;

    publish_now(set);
    bytes = read_all(set, "..data/..record");
    from = strstr(bytes.data, "\"old_cas\"");
    to = strstr(bytes.data, "\"request\":");
    assert_true(from != NULL && to > from);
    memmove(from, to, strlen(to) + 1);
    from = strstr(bytes.data, "\"version\": 2");
    assert_non_null(from);
    from[strlen("\"version\": ")] = '1';
    snprintf(path, sizeof path, "%s/..data/..record", set->path);
    file = fopen(path, "w");
    fputs(bytes.data, file);
    fclose(file);
    bytes_free(&bytes);
    assert_int_equal(health_of(set, NULL), INSTALLED_WHOLE);
    issue_anew(set);
    publish_now(set);
    assert_int_equal(certificates_in(set, "ca.crt"), 2);
}

int main(void)
{
#define SET_TEST(name) cmocka_unit_test_setup_teardown(name, make_set, remove_set)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_type_is_written_as_der_and_read),
        cmocka_unit_test(a_keystore_gives_back_leaf_key_and_chain),
        cmocka_unit_test(a_keystore_for_another_key_is_refused),
        cmocka_unit_test(a_truststore_marks_every_certificate_for_java),
        SET_TEST(a_password_file_holds_one_line_of_ascii),
        SET_TEST(a_set_in_all_formats_is_written_and_found_whole),
        SET_TEST(envoy_is_told_of_the_visible_names),
        SET_TEST(what_envoy_would_misread_is_not_written),
        cmocka_unit_test(a_keystore_that_takes_hours_to_open_is_not_opened),
        SET_TEST(the_key_is_found_again_in_whatever_holds_it),
        SET_TEST(another_password_has_the_keystores_written_anew),
        SET_TEST(another_format_has_the_files_written_anew),
        cmocka_unit_test(old_cas_stay_until_their_time_is_over),
        cmocka_unit_test(no_more_old_cas_stay_than_the_most),
        SET_TEST(a_new_ca_stands_beside_the_old_one_for_a_while),
        SET_TEST(the_old_ca_goes_when_its_time_is_over),
        SET_TEST(a_top_that_cannot_be_read_is_not_announced_in_silence),
        SET_TEST(a_trust_anchor_alone_decides),
        SET_TEST(a_damaged_set_still_tells_its_old_cas),
        SET_TEST(a_record_of_the_first_version_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
