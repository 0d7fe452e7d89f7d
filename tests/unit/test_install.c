/* A set on disk: complete or not there, switched whole, read back and believed only if it is sound.
 */
#include "unit.h"

#include "certs.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "install/cert_state.h"
#include "install/installed.h"
#include "install/publish.h"
#include "install/set_claim.h"
#include "install/set_directory.h"
#include "pki/key.h"

#include <jansson.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

struct set {
    char path[64];
    int fd;
    struct set_claim *claim;
    struct output outputs[7];
    struct cert_config cert;
    struct issued issued;
};

static void fill_issued(struct issued *issued, const char *name)
{
    EVP_PKEY *ca_key = certs_key(0), *key = certs_key(0);
    X509 *ca =
        certs_make(&(struct cert_order){.common_name = "ca", .is_ca = 1}, ca_key, NULL, NULL);
    char san[64];
    char *leaf_pem, *ca_pem;
    struct err err;

    snprintf(san, sizeof san, "DNS:%s", name);
    {
        X509 *leaf = certs_make(&(struct cert_order){.san = san}, key, ca, ca_key);

        leaf_pem = certs_pem(leaf);
        X509_free(leaf);
    }
    ca_pem = certs_pem(ca);
    *issued = (struct issued){.issued_s = 1700000000, .request_id = "id-1"};
    issued->leaf_pem = arena_format(&issued->arena, "%s\n", leaf_pem);
    text_list_add(&issued->chain_pem, &issued->arena, "CHAIN\n", 6);
    text_list_add(&issued->ca_pem, &issued->arena, ca_pem, strlen(ca_pem));
    issued->ca_pem.items[0] = arena_format(&issued->arena, "%s\n", ca_pem);
    assert_true(certificate_read(issued->leaf_pem, &issued->arena, &issued->leaf, &err));
    issued->end_s = issued->leaf.validity.not_after;
    assert_true(key_to_pem(key, false, &issued->key_pem, &err));
    free(leaf_pem);
    free(ca_pem);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

static int make_set(void **state)
{
    static const struct output outputs[] = {
        {"cert.pem", CONTENT_CERTIFICATE, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
        {"tls.crt", CONTENT_FULLCHAIN, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
        {"tls.key", CONTENT_KEY, 0600, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
        {"both.pem", CONTENT_COMBINED, 0640, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
        {"bundle.pem", CONTENT_BUNDLE, 0600, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
        {"ca.crt", CONTENT_CA, 0444, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
        {"meta.json", CONTENT_METADATA, 0644, OWNER_UNCHANGED, OWNER_UNCHANGED, false},
    };
    struct set *set = calloc(1, sizeof *set);
    struct err err;

    snprintf(set->path, sizeof set->path, "/tmp/leafd-unit-XXXXXX");
    if (mkdtemp(set->path) == NULL)
        return 1;
    memcpy(set->outputs, outputs, sizeof outputs);
    set->cert.name = "web";
    set->cert.directory = set->path;
    set->cert.directory_mode = 0755;
    set->cert.pki_mount = "pki";
    set->cert.pki_role = "web";
    set->cert.outputs.items = set->outputs;
    set->cert.outputs.count = COUNT_OF(set->outputs);
    fill_issued(&set->issued, "a.example.com");
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
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", set->path, set->path);
    if (system(command) != 0)
        return 1;
    free(set);
    return 0;
}

static char *read_all(const struct set *set, const char *name)
{
    struct bytes bytes = {.limit = 100000};
    struct err err;
    char *copy;

    assert_true(file_read_at(set->fd, name, &bytes, &err));
    copy = strdup(bytes_text(&bytes));
    bytes_free(&bytes);
    return copy;
}

static void publish_now(struct set *set, char previous[static GENERATION_NAME_BYTES])
{
    char generation[GENERATION_NAME_BYTES];
    struct err err;

    assert_true(generation_stage(set->fd, &set->cert, &set->issued, generation, &err));
    assert_true(publish_swap(set->fd, &set->cert, generation, previous, &err));
}

static enum installed_health health_of(struct set *set)
{
    struct installed installed;
    enum installed_health health;

    installed_read(set->fd, &set->cert, &installed);
    health = installed.health;
    installed_free(&installed);
    return health;
}

static void a_set_is_staged_with_its_contents_and_modes(void **state)
{
    static const struct {
        const char *name, *starts;
        mode_t mode;
    } wanted[] = {{"cert.pem", "-----BEGIN CERTIFICATE", 0644},
                  {"tls.crt", "-----BEGIN CERTIFICATE", 0644},
                  {"tls.key", "-----BEGIN PRIVATE KEY", 0600},
                  {"both.pem", "-----BEGIN CERTIFICATE", 0640},
                  {"bundle.pem", "-----BEGIN PRIVATE KEY", 0600},
                  {"ca.crt", "-----BEGIN CERTIFICATE", 0444},
                  {"meta.json", "{", 0644}};
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES];
    struct stat about;
    char *text, *other;

    publish_now(set, previous);
    assert_string_equal(previous, "");
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        text = read_all(set, wanted[i].name);
        assert_memory_equal(text, wanted[i].starts, strlen(wanted[i].starts));
        assert_int_equal(text[strlen(text) - 1], '\n');
        assert_int_equal(fstatat(set->fd, wanted[i].name, &about, 0), 0);
        assert_int_equal(about.st_mode & 07777, wanted[i].mode);
        free(text);
    }
    text = read_all(set, "both.pem");
    other = read_all(set, "tls.crt");
    assert_memory_equal(text, other, strlen(other));
    assert_non_null(strstr(text, "CHAIN\n-----BEGIN PRIVATE KEY"));
    free(text);
    free(other);
}

static void what_was_published_is_found_whole_again(void **state)
{
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES];
    struct installed installed;
    struct issued again;
    struct err err;

    assert_int_equal(health_of(set), INSTALLED_NOTHING);
    publish_now(set, previous);
    installed_read(set->fd, &set->cert, &installed);
    assert_int_equal(installed.health, INSTALLED_WHOLE);
    assert_string_equal(installed.record.leaf.serial, set->issued.leaf.serial);
    assert_int_equal(installed.record.issued_s, 1700000000);
    assert_string_equal(installed.record.request_id, "id-1");
    assert_true(installed_recover(set->fd, &set->cert, &installed, &again, &err));
    assert_string_equal(secret_expose(&again.key_pem), secret_expose(&set->issued.key_pem));
    assert_string_equal(again.leaf_pem, set->issued.leaf_pem);
    issued_free(&again);
    installed_free(&installed);
}

/* The record tells what the certificate says, and only of that certificate. */
static void facts_of_the_leaf_are_read_from_the_record(void **state)
{
    struct set *set = *state;
    static const char digests[COUNT_OF(set->outputs)][DIGEST_HEX_BYTES] = {
        [0 ... COUNT_OF(set->outputs) - 1] = {[0 ... DIGEST_HEX_BYTES - 2] = '0'}};
    const struct certificate_facts *leaf = &set->issued.leaf;
    struct certificate_facts parsed;
    struct record record;
    struct err err;
    char *text;
    json_t *json;

    text = record_text(&set->cert, &set->issued, digests);
    json = json_loads(text, 0, NULL);
    free(text);
    /* Facts count for the certificate that they were written with: for another text it is decoded.
     */
    for (int i = 0; i < 3; i++) {
        json_object_set_new(json, "certificate",
                            json_string(i == 1 ? "no certificate" : set->issued.leaf_pem));
        if (i == 2)
            json_object_set_new(json_object_get(json, "leaf"), "serial", json_string("00:01"));
        text = json_dumps(json, 0);
        assert_int_equal(record_read(text, strlen(text), &set->issued.arena, &record, &err),
                         i != 1);
        free(text);
        if (i == 0) {
            parsed = record.leaf;
            assert_string_equal(parsed.serial, leaf->serial);
            assert_string_equal(parsed.fingerprint, leaf->fingerprint);
            assert_string_equal(parsed.issuer, leaf->issuer);
            assert_string_equal(parsed.names.dns.items[0], leaf->names.dns.items[0]);
            assert_string_equal(parsed.authority_key, leaf->authority_key);
            assert_int_equal(parsed.validity.not_after, leaf->validity.not_after);
        }
        if (i == 2)
            assert_string_equal(record.leaf.serial, "00:01");
    }
    /* What an earlier release wrote has none, and is decoded. */
    json_object_del(json, "leaf");
    text = json_dumps(json, 0);
    assert_true(record_read(text, strlen(text), &set->issued.arena, &record, &err));
    assert_string_equal(record.leaf.serial, leaf->serial);
    free(text);
    json_decref(json);
}

/* A record of a leaf of an hour, whose CA ends in half of that; `end` is what it says itself. */
static uint64_t end_read_back(struct set *set, json_int_t end)
{
    EVP_PKEY *ca_key = certs_key(0), *key = certs_key(0);
    const struct cert_order ca_order = {.common_name = "ca", .is_ca = 1, .to_s = 1800};
    X509 *ca = certs_make(&ca_order, ca_key, NULL, NULL);
    X509 *leaf = certs_make(&(struct cert_order){.san = "DNS:a"}, key, ca, ca_key);
    CLEANUP(free_memory) char *ca_pem = certs_pem(ca);
    CLEANUP(free_memory) char *leaf_pem = certs_pem(leaf);
    static const char no_digests[8][DIGEST_HEX_BYTES];
    struct issued issued = {.request_id = "", .leaf_pem = leaf_pem, .issued_s = clock_now_s()};
    char *texts[] = {ca_pem};
    struct record record;
    struct err err;
    char *text;
    json_t *json;

    assert_true(certificate_read(leaf_pem, &set->issued.arena, &issued.leaf, &err));
    issued.ca_pem = (struct text_list){.items = (const char **)texts, .count = 1};
    set->cert.outputs.count = 0;
    text = record_text(&set->cert, &issued, no_digests);
    json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json_object_get(json, "end"));
    if (end == 0)
        json_object_del(json, "end");
    else
        json_object_set_new(json, "end", json_integer(end));
    text = json_dumps(json, 0);
    json_decref(json);
    assert_true(record_read(text, strlen(text), &set->issued.arena, &record, &err));
    free(text);
    X509_free(ca);
    X509_free(leaf);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return record.end_s;
}

static void a_generation_ends_with_the_first_certificate_on_its_path(void **state)
{
    struct set *set = *state;
    uint64_t now_s = clock_now_s();

    assert_in_range(end_read_back(set, (json_int_t)now_s + 60), now_s + 60, now_s + 60);
    /* What an earlier release wrote does not say it; no record makes a leaf last longer. */
    assert_in_range(end_read_back(set, 0), now_s + 1795, clock_now_s() + 1805);
    assert_in_range(end_read_back(set, (json_int_t)now_s + 90000), now_s + 3595,
                    clock_now_s() + 3605);
}

static void damage_is_noticed(void **state)
{
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES], path[256];
    FILE *file;

    publish_now(set, previous);
    assert_int_equal(fchmodat(set->fd, "tls.key", 0644, 0), 0);
    assert_int_equal(health_of(set), INSTALLED_DAMAGED);
    assert_int_equal(fchmodat(set->fd, "tls.key", 0600, 0), 0);
    assert_int_equal(health_of(set), INSTALLED_WHOLE);
    assert_int_equal(unlinkat(set->fd, "..data/ca.crt", 0), 0);
    assert_int_equal(health_of(set), INSTALLED_DAMAGED);

    publish_now(set, previous);
    snprintf(path, sizeof path, "%s/tls.crt", set->path);
    file = fopen(path, "a");
    fputs("\n", file);
    fclose(file);
    assert_int_equal(health_of(set), INSTALLED_DAMAGED);

    publish_now(set, previous);
    assert_int_equal(unlinkat(set->fd, "..data/tls.key", 0), 0);
    assert_int_equal(health_of(set), INSTALLED_NOTHING);

    publish_now(set, previous);
    assert_int_equal(unlinkat(set->fd, "..data/..record", 0), 0);
    assert_int_equal(health_of(set), INSTALLED_NOTHING);
}

static void take_print(struct set *set, char print[static DIGEST_HEX_BYTES])
{
    char current[GENERATION_NAME_BYTES];
    struct err err;

    assert_true(publish_current(set->fd, current, &err));
    assert_true(installed_print(set->fd, &set->cert, current, print, &err));
}

/* Whether a change by a shell command in the set's directory changes the print. */
static bool changes_print(struct set *set, const char *command)
{
    char before[DIGEST_HEX_BYTES], after[DIGEST_HEX_BYTES], whole[256];

    take_print(set, before);
    snprintf(whole, sizeof whole, "cd %s && %s", set->path, command);
    assert_int_equal(system(whole), 0);
    take_print(set, after);
    return strcmp(before, after) != 0;
}

static void whatever_changes_can_be_seen_without_reading(void **state)
{
    static const char *const changes[] = {
        "rm tls.crt",
        "ln -s ..data/ca.crt tls.crt",
        "printf x >>cert.pem",
        "chmod 0640 tls.key",
        "touch -d 2020-01-01 tls.key",
        "cp -p meta.json m && mv m ..data/meta.json",
        "rm ..data/both.pem",
        "printf x >>..data/..record",
        "chmod 0700 ..data/.",
        "chmod 0711 .",
    };
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES];
    struct err err;

    publish_now(set, previous);
    assert_true(publish_stands(set->fd, &set->cert, &err));
    /* What leafd writes beside it all the time is none of it. */
    assert_false(changes_print(set, "touch ..state other && rm other && cat tls.key >/dev/null"));
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        if (!changes_print(set, changes[i]))
            fail_msg("not seen: %s", changes[i]);
    assert_false(publish_stands(set->fd, &set->cert, &err));
    assert_non_null(strstr(err.text, "tls.crt was removed or replaced"));
}

static void a_key_that_does_not_belong_to_the_certificate_is_noticed(void **state)
{
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES];
    struct issued other;
    int fd;

    publish_now(set, previous);
    fill_issued(&other, "a.example.com");
    fd = openat(set->fd, "tls.key", O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, secret_expose(&other.key_pem), other.key_pem.length),
                     other.key_pem.length);
    close(fd);
    assert_int_equal(health_of(set), INSTALLED_NOTHING);
    issued_free(&other);
}

static void a_section_that_wants_other_files_is_noticed(void **state)
{
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES];

    publish_now(set, previous);
    set->outputs[2].mode = 0640;
    assert_int_equal(health_of(set), INSTALLED_UNWANTED);
    set->outputs[2].mode = 0600;
    set->cert.outputs.count--;
    assert_int_equal(health_of(set), INSTALLED_UNWANTED);
}

static void a_swap_replaces_all_names_and_drops_those_not_wanted(void **state)
{
    struct set *set = *state;
    char first[GENERATION_NAME_BYTES], second[GENERATION_NAME_BYTES];
    struct issued other;
    struct stat about;

    publish_now(set, first);
    assert_true(publish_current(set->fd, first, &(struct err){0}));
    fill_issued(&other, "b.example.com");
    issued_free(&set->issued);
    set->issued = other;
    set->cert.outputs.count--;
    publish_now(set, second);
    assert_string_equal(first, second);
    assert_int_equal(fstatat(set->fd, first, &about, 0), 0); /* kept for its readers */
    assert_int_equal(fstatat(set->fd, "meta.json", &about, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(health_of(set), INSTALLED_WHOLE);
}

static void what_a_crash_left_is_healed(void **state)
{
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES], current[GENERATION_NAME_BYTES];
    struct stat about;
    const char *lost;
    struct err err;

    publish_now(set, previous);
    assert_int_equal(symlinkat("..nowhere", set->fd, "..data_tmp"), 0);
    assert_int_equal(symlinkat("..data/x", set->fd, "tls.crt.leafd-new"), 0);
    assert_int_equal(unlinkat(set->fd, "tls.crt", 0), 0);
    assert_int_equal(mkdirat(set->fd, "..2020_01_01_00_00_00.abcdef", 0700), 0);
    publish_now(set, previous);
    assert_int_equal(fstatat(set->fd, "tls.crt", &about, 0), 0);
    assert_int_equal(fstatat(set->fd, "tls.crt.leafd-new", &about, AT_SYMLINK_NOFOLLOW), -1);
    assert_true(publish_current(set->fd, current, &err));
    assert_int_equal(generation_sweep(set->fd, current, "", ""), 2);
    assert_int_equal(health_of(set), INSTALLED_WHOLE);
    assert_true(publish_names(set->fd, &set->cert, &lost, &err));
    assert_null(lost);
    assert_int_equal(unlinkat(set->fd, "tls.key", 0), 0);
    assert_true(publish_names(set->fd, &set->cert, &lost, &err));
    assert_string_equal(lost, "tls.key");
    assert_int_equal(health_of(set), INSTALLED_WHOLE);
}

static void files_of_others_are_never_replaced_nor_removed(void **state)
{
    struct set *set = *state;
    char generation[GENERATION_NAME_BYTES], previous[GENERATION_NAME_BYTES];
    struct stat about;
    struct err err;
    int fd = openat(set->fd, "tls.key", O_CREAT | O_WRONLY, 0600);

    close(fd);
    fd = openat(set->fd, "..2020_notes.txt", O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_false(publish_check(set->fd, &set->cert, &err));
    assert_non_null(strstr(err.text, "tls.key was not made by leafd"));
    assert_true(generation_stage(set->fd, &set->cert, &set->issued, generation, &err));
    assert_false(publish_swap(set->fd, &set->cert, generation, previous, &err));
    assert_int_equal(fstatat(set->fd, "..data", &about, AT_SYMLINK_NOFOLLOW), -1);
    generation_sweep(set->fd, "", "", "");
    assert_int_equal(fstatat(set->fd, "tls.key", &about, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fstatat(set->fd, "..2020_notes.txt", &about, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(unlinkat(set->fd, "tls.key", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", set->fd, "tls.key"), 0);
    assert_false(publish_check(set->fd, &set->cert, &err));
}

static void links_elsewhere_lead_into_the_set(void **state)
{
    struct set *set = *state;
    char path[128], target[256], previous[GENERATION_NAME_BYTES];
    struct outside_link link = {path, "tls.key"};
    struct err err;
    ssize_t length;

    snprintf(path, sizeof path, "%s-outside", set->path);
    set->cert.links.items = &link;
    set->cert.links.count = 1;
    publish_now(set, previous);
    assert_true(publish_check_links(&set->cert, &err));
    assert_true(publish_links(&set->cert, &err));
    length = readlink(path, target, sizeof target - 1);
    assert_true(length > 0);
    target[length] = '\0';
    assert_memory_equal(target, set->path, strlen(set->path));
    link.name = "tls.crt";
    assert_true(publish_links(&set->cert, &err));
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_false(publish_check_links(&set->cert, &err));
    assert_false(publish_links(&set->cert, &err));
    assert_non_null(strstr(err.text, "was not made by leafd"));
    unlink(path);
}

static void a_rehearsal_leaves_nothing_behind(void **state)
{
    struct set *set = *state;
    struct err err;

    assert_true(generation_rehearse(set->fd, &set->cert, &err));
    assert_int_equal(generation_sweep(set->fd, "", "", ""), 0);
    set->outputs[2].name = "no/such/folder";
    assert_false(generation_rehearse(set->fd, &set->cert, &err));
    assert_false(generation_stage(set->fd, &set->cert, &set->issued, (char[64]){0}, &err));
    assert_int_equal(err.kind, ERR_LOCAL);
    assert_int_equal(generation_sweep(set->fd, "", "", ""), 0);
}

static void a_set_has_one_agent(void **state)
{
    struct set *set = *state;
    struct set_claim *claim;
    struct err err;
    int fd;

    assert_false(set_claim_take(set->path, 0755, &claim, &fd, &err));
    assert_int_equal(err.errnum, EDEADLK);
    assert_non_null(strstr(err.text, "another leafd works in"));
    assert_true(set_claim_open(set->claim, set->path, &fd, &err));
    assert_true(set_claim_has(fd, set->path, &err));
    assert_non_null(strstr(err.text, "another leafd works in"));
    close(fd);
    /* Whoever shares it keeps it. */
    claim = set_claim_share(set->claim);
    set_claim_drop(set->claim);
    assert_false(set_claim_take(set->path, 0755, &claim, &fd, &err));
    set_claim_drop(claim);
    assert_true(set_directory_look(set->path, &fd, &err));
    assert_false(set_claim_has(fd, set->path, &err));
    close(fd);
    close(set->fd);
    assert_true(set_claim_take(set->path, 0755, &set->claim, &set->fd, &err));
}

static size_t open_files(void)
{
    CLEANUP(close_directory) DIR *files = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(files) != NULL)
        count++;
    return count;
}

/* Claims a set in a directory below `parent`, with what it takes at rest. */
static void claim_at_rest(const char *parent, struct set_claim **ret_claim, size_t *ret_files)
{
    size_t before = open_files();
    char path[128];
    struct set_claim *other;
    struct err err;
    int fd;

    snprintf(path, sizeof path, "%s/at-rest", parent);
    assert_true(set_claim_take(path, 0755, ret_claim, &fd, &err));
    close(fd);
    *ret_files = open_files() - before;
    assert_false(set_claim_take(path, 0755, &other, &fd, &err));
    assert_int_equal(err.errnum, EDEADLK);
    assert_true(set_claim_open_judged(*ret_claim, path, &fd, &err));
    assert_int_equal(unlinkat(fd, "..lock", 0), 0);
    close(fd);
    assert_int_equal(rmdir(path), 0);
}

static bool is_overlay(const char *path)
{
    enum { OVERLAYFS = 0x794c7630 }; /* OVERLAYFS_SUPER_MAGIC of linux/magic.h */
    struct statfs about;

    assert_int_equal(statfs(path, &about), 0);
    return about.f_type == OVERLAYFS;
}

/* Where the kernel lets a mapping hold the lock, which is everywhere but on overlayfs. */
static void a_set_at_rest_takes_no_descriptor(void **state)
{
    static const char *const more[] = {"/dev/shm", "/run"};
    const struct set *set = *state;
    const char *places[COUNT_OF(more) + 1] = {set->path, more[0], more[1]};
    struct set_claim *claim;
    size_t files;

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        char parent[96];

        if (access(places[i], W_OK) != 0)
            continue;
        snprintf(parent, sizeof parent, "%s/leafd-unit-XXXXXX", places[i]);
        assert_non_null(mkdtemp(parent));
        claim_at_rest(parent, &claim, &files);
        assert_int_equal(files, is_overlay(parent) ? 2 : 0);
        assert_null(set_claim_drop(claim));
        assert_int_equal(rmdir(parent), 0);
    }
}

/* The lock ends with the process, however that ends, and a child has no part in it. */
static void a_claim_ends_with_its_process(void **state)
{
    struct set *set = *state;
    struct err err;
    int end[2];
    pid_t child;

    close(set->fd);
    set_claim_drop(set->claim);
    assert_int_equal(pipe(end), 0);
    child = fork();
    if (child == 0) {
        bool taken = set_claim_take(set->path, 0755, &set->claim, &set->fd, &err);

        close(set->fd);
        close(end[1]);
        /* The grandchild lives until the test ends it. */
        if (taken && fork() == 0)
            _exit((int)read(end[0], &(char){0}, 1));
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(set_claim_take(set->path, 0755, &set->claim, &set->fd, &err));
    close(end[0]);
    close(end[1]);
}

/* Whoever removes the lock gets no second agent in, and the first one notices. */
static void a_lock_that_is_removed_is_missed(void **state)
{
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES];
    struct set_claim *claim;
    struct err err;
    int fd, ready[2];
    pid_t second;
    char told = 0;

    if (unit_has_valgrind())
        skip(); /* whoever looks from another process sees valgrind's program */
    publish_now(set, previous);
    assert_int_equal(unlinkat(set->fd, "..lock", 0), 0);
    assert_int_equal(pipe(ready), 0);
    second = fork();
    if (second == 0) {
        bool refused = !set_claim_take(set->path, 0755, &claim, &fd, &err) &&
                       err.errnum == EWOULDBLOCK && strstr(err.text, ": process ") != NULL;

        _exit(write(ready[1], refused ? "y" : "n", 1) != 1);
    }
    assert_int_equal(read(ready[0], &told, 1), 1);
    assert_int_equal(waitpid(second, NULL, 0), second);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(told, 'y');
    assert_false(set_claim_open(set->claim, set->path, &fd, &err));
    assert_int_equal(err.errnum, ESTALE);
    assert_non_null(strstr(err.text, "..lock was removed or replaced"));
    /* It is taken again beside what is left of the first one. */
    close(set->fd);
    assert_true(set_claim_take(set->path, 0755, &claim, &set->fd, &err));
    set_claim_drop(set->claim);
    set->claim = claim;
    assert_true(set_claim_open(set->claim, set->path, &fd, &err));
    close(fd);
}

/* What others could have opened, and hold a lock on, is none. */
static void a_lock_that_is_none_gives_way(void **state)
{
    struct set *set = *state;
    struct stat about;
    struct err err;
    int others, fd;

    for (int kind = 0; kind < 4; kind++) {
        set_claim_drop(set->claim);
        assert_int_equal(unlinkat(set->fd, "..lock", 0), 0);
        others = kind == 0 ? openat(set->fd, "..lock", O_CREAT | O_RDWR, 0600) : -1;
        assert_true(kind == 0   ? fchmod(others, 0644) == 0 && flock(others, LOCK_EX) == 0
                    : kind == 1 ? symlinkat("/etc/passwd", set->fd, "..lock") == 0
                    : kind == 2 ? mkfifoat(set->fd, "..lock", 0600) == 0
                                : mkdirat(set->fd, "..lock", 0700) == 0);
        close(set->fd);
        assert_true(set_claim_take(set->path, 0755, &set->claim, &set->fd, &err));
        assert_int_equal(fstatat(set->fd, "..lock", &about, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(about.st_mode) && (about.st_mode & 0777) == 0600);
        assert_true(set_claim_open_judged(set->claim, set->path, &fd, &err));
        close(fd);
        if (others >= 0)
            close(others);
    }
}

static bool opens(const char *path)
{
    struct set_claim *claim;
    struct err err;
    int fd;

    if (!set_claim_take(path, 0750, &claim, &fd, &err))
        return false;
    close(fd);
    set_claim_drop(claim);
    return true;
}

static void a_directory_that_others_may_write_is_refused(void **state)
{
    struct set *set = *state;
    struct set_claim *claim;
    char path[128];
    struct err err;
    int fd;

    snprintf(path, sizeof path, "%s/sub", set->path);
    assert_true(opens(path));
    assert_int_equal(chmod(path, 0777), 0);
    assert_false(opens(path));
    assert_int_equal(chmod(path, 0775), 0);
    assert_false(opens(path));
    assert_int_equal(chmod(path, 0755), 0);
    assert_true(set_claim_take(path, 0750, &claim, &fd, &err));
    close(fd);
    /* It is judged again, and so is the way to it. */
    assert_int_equal(chmod(path, 0775), 0);
    assert_false(set_claim_open_judged(claim, path, &fd, &err));
    assert_int_equal(chmod(path, 0755), 0);
    assert_true(set_claim_open_judged(claim, path, &fd, &err));
    assert_int_equal(unlinkat(fd, "..lock", 0), 0);
    close(fd);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_false(set_claim_open(claim, path, &fd, &err));
    assert_int_equal(err.errnum, ESTALE);
    assert_false(set_claim_open_judged(claim, path, &fd, &err));
    assert_int_equal(err.errnum, ESTALE);
    set_claim_drop(claim);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_false(opens(path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(chmod(set->path, 0775), 0);
    assert_false(set_claim_take(path, 0750, &claim, &fd, &err));
    assert_non_null(strstr(err.text, set->path));
    assert_int_equal(faccessat(set->fd, "sub", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void only_names_of_the_form_are_generations(void **state)
{
    static const char *const others[] = {"..data",
                                         "..record",
                                         "..2026_11_20_21_28_38",
                                         "..2026_11_20_21_28_38.12345",
                                         "..2026_11_20_21_28_38.1234567",
                                         "..2026-11-20_21_28_38.123456",
                                         ".2026_11_20_21_28_38.123456",
                                         "..2026_11_20_21_28_38.12345g",
                                         ""};

    (void)state;
    assert_true(generation_is_name("..2026_11_20_21_28_38.a1b2c3"));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(generation_is_name(others[i]));
}

static void what_may_be_published_is_not_taken_for_something_else(void **state)
{
    static const char generation[] = "..2026_11_20_21_28_38.a1b2c3";
    struct set *set = *state;

    assert_false(publish_may_be(set->fd, generation));
    assert_int_equal(symlinkat(generation, set->fd, "..data"), 0);
    assert_true(publish_may_be(set->fd, generation));
    assert_false(publish_may_be(set->fd, "..2026_11_20_21_28_38.d4e5f6"));
    assert_true(publish_may_be(-1, generation)); /* as when the link cannot be read */
    assert_int_equal(unlinkat(set->fd, "..data", 0), 0);
}

static void the_state_survives_and_damage_reads_as_none(void **state)
{
    struct set *set = *state;
    struct err denied = {.kind = ERR_DENIED, .text = "no \"policy\""};
    struct err away = {.kind = ERR_CONSUMER, .text = "no pidfile"};
    char first[] = "aa", second[] = "bb", serial[] = "12:34";
    struct cert_state saved = {
        .issuing = {7, 1690000000, 1700000000, 1700000100, &denied},
        .held = "..2026_11_20_21_28_41.a1b2c3",
        .refused_request = "0123456789abcdef",
        .ca = {.known = {first, second},
               .has_baseline = true,
               .early_at_s = 1700000200,
               .revoked = serial,
               .revoked_count = 2,
               .revoked_at_s = 1700000300,
               .replace_at_s = 1700000350,
               .held_until_s = 1700000400},
        .consumer = {.accepted = "..2026_11_20_21_28_37.a1b2c3",
                     .reloaded = "..2026_11_20_21_28_38.a1b2c3",
                     .proven = "..2026_11_20_21_28_39.a1b2c3",
                     .refused = "..2026_11_20_21_28_40.a1b2c3",
                     .trouble = {3, 1690000010, 1700000010, 1700000110, &away},
                     .refusals = 2,
                     .missing = true,
                     .insists = true,
                     .served = {.serial = "12:34",
                                .not_after_s = 1700000200,
                                .seen_s = 1700000300,
                                .foreign = true},
                     .known = {0x0123456789abcdef, 0xfedcba9876543210}}};
    struct cert_state found;
    struct err err;
    int fd;

    cert_state_read(set->fd, &found);
    assert_int_equal(found.issuing.failures, 0);
    assert_true(cert_state_write(set->fd, &saved, &err));
    cert_state_read(set->fd, &found);
    assert_int_equal(found.issuing.failures, 7);
    assert_int_equal(found.issuing.failed_at_s, 1700000000);
    assert_int_equal(found.issuing.try_again_at_s, 1700000100);
    assert_int_equal(trouble_err(&found.issuing)->kind, ERR_DENIED);
    assert_string_equal(trouble_err(&found.issuing)->text, "no \"policy\"");
    assert_string_equal(found.held, saved.held);
    assert_string_equal(found.refused_request, saved.refused_request);
    assert_string_equal(found.ca.known[0], "aa");
    assert_string_equal(found.ca.known[1], "bb");
    assert_null(found.ca.known[2]);
    assert_int_equal(found.ca.has_baseline, saved.ca.has_baseline);
    assert_int_equal(found.ca.early_at_s, saved.ca.early_at_s);
    assert_string_equal(found.ca.revoked, saved.ca.revoked);
    assert_int_equal(found.ca.revoked_count, saved.ca.revoked_count);
    assert_int_equal(found.ca.revoked_at_s, saved.ca.revoked_at_s);
    assert_int_equal(found.ca.replace_at_s, saved.ca.replace_at_s);
    assert_int_equal(found.ca.held_until_s, saved.ca.held_until_s);
    assert_string_equal(found.consumer.accepted, saved.consumer.accepted);
    assert_string_equal(found.consumer.reloaded, saved.consumer.reloaded);
    assert_string_equal(found.consumer.proven, saved.consumer.proven);
    assert_string_equal(found.consumer.refused, saved.consumer.refused);
    assert_int_equal(found.consumer.trouble.failures, 3);
    assert_int_equal(found.consumer.trouble.failed_at_s, 1700000010);
    assert_int_equal(found.consumer.trouble.try_again_at_s, 1700000110);
    assert_string_equal(trouble_err(&found.consumer.trouble)->text, "no pidfile");
    assert_int_equal(found.consumer.refusals, 2);
    assert_true(found.consumer.missing && found.consumer.insists);
    assert_memory_equal(&found.consumer.served, &saved.consumer.served,
                        sizeof saved.consumer.served);
    assert_memory_equal(found.consumer.known, saved.consumer.known, sizeof saved.consumer.known);
    assert_ptr_equal(trouble_of(&found), &found.issuing);
    trouble_clear(&found.issuing);
    assert_ptr_equal(trouble_of(&found), &found.consumer.trouble);
    cert_state_free(&found);
    fd = openat(set->fd, "..state", O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "{", 1), 1);
    close(fd);
    cert_state_read(set->fd, &found);
    assert_int_equal(found.issuing.failures, 0);
}

/* As the first edition wrote it, which kept one failure for both. */
static void a_state_of_the_first_edition_keeps_waits_and_what_the_consumer_did(void **state)
{
    static const struct {
        const char *text;
        unsigned issuing, deploying;
        uint64_t issue_at_s, deploy_at_s;
    } cases[] = {
        {"{\"version\": 2, \"failures\": 4, \"failed_at\": 5, \"try_again_at\": 90, \"class\": "
         "\"transient\", \"error\": \"away\", \"consumer\": {\"failures\": 0}}",
         4, 0, 90, 0},
        {"{\"version\": 2, \"failures\": 0, \"failed_at\": 5, \"try_again_at\": 90, \"class\": "
         "\"consumer\", \"error\": \"no pidfile\", \"consumer\": {\"failures\": 3, \"refusals\": "
         "2}}",
         0, 3, 0, 90},
        /* The CA failed last, and was what was kept. */
        {"{\"version\": 2, \"failures\": 2, \"failed_at\": 5, \"try_again_at\": 90, \"class\": "
         "\"transient\", \"error\": \"away\", \"consumer\": {\"failures\": 3}}",
         2, 3, 90, 0},
    };
    struct set *set = *state;
    struct cert_state found;
    struct err err;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(
            file_replace_at(set->fd, "..state", 0600, cases[i].text, strlen(cases[i].text), &err));
        assert_true(cert_state_read(set->fd, &found));
        assert_string_equal(found.refused_request, "");
        assert_int_equal(found.issuing.failures, cases[i].issuing);
        assert_int_equal(found.issuing.try_again_at_s, cases[i].issue_at_s);
        assert_int_equal(found.consumer.trouble.failures, cases[i].deploying);
        assert_int_equal(found.consumer.trouble.try_again_at_s, cases[i].deploy_at_s);
        assert_int_equal(trouble_err(trouble_of(&found))->kind,
                         cases[i].issuing > 0 ? ERR_TRANSIENT : ERR_CONSUMER);
        cert_state_free(&found);
    }
}

static void a_revoked_mark_holds_for_one_generation(void **state)
{
    static const char marked[] = "..2026_11_20_21_28_38.a1b2c3",
                      other[] = "..2026_11_20_21_28_39.a1b2c3";
    static const enum revocation revocations[] = {REVOCATION_REPLACED, REVOCATION_FINAL};
    struct set *set = *state;
    struct err err;

    assert_int_equal(revoked_mark_read(set->fd, marked), REVOCATION_NONE);
    for (size_t i = 0; i < COUNT_OF(revocations); i++) {
        assert_true(revoked_mark_write(set->fd, marked, revocations[i], &err));
        assert_int_equal(revoked_mark_read(set->fd, marked), revocations[i]);
        assert_int_equal(revoked_mark_read(set->fd, other), REVOCATION_NONE);
        assert_int_equal(revoked_mark_read(set->fd, ""), REVOCATION_NONE);
    }
    revoked_mark_clear(set->fd);
    assert_int_equal(revoked_mark_read(set->fd, marked), REVOCATION_NONE);
}

static void traditional_keys_are_written_where_wanted(void **state)
{
    struct set *set = *state;
    char previous[GENERATION_NAME_BYTES];
    char *text;

    set->cert.key_encoding = KEY_TRADITIONAL;
    publish_now(set, previous);
    text = read_all(set, "tls.key");
    assert_memory_equal(text, "-----BEGIN EC PRIVATE KEY-----", 30);
    free(text);
    assert_int_equal(health_of(set), INSTALLED_WHOLE);
}

/* A failure that names a path is cut where its room ends, which may be inside a character. */
static void a_state_with_words_that_are_no_utf8_is_written(void **state)
{
    struct set *set = *state;
    struct err local = {.kind = ERR_LOCAL};
    struct cert_state saved = {.issuing = {.failures = 1, .failure = &local}}, found;
    struct err err;

    memset(local.text, 'x', 5);
    for (size_t i = 5; i + 2 < sizeof local.text; i += 2)
        memcpy(local.text + i, "\xc3\xbc", 2);
    local.text[sizeof local.text - 2] = '\xc3';
    assert_true(cert_state_write(set->fd, &saved, &err));
    cert_state_read(set->fd, &found);
    assert_int_equal(found.issuing.failures, 1);
    assert_int_equal(strncmp(trouble_err(&found.issuing)->text, "xxxxx??", 7), 0);
    cert_state_free(&found);
}

static void gaps_in_what_is_known_end_with_the_next_writing(void **state)
{
    static const char text[] =
        "{\"version\": 2, \"ca\": {\"known\": [null, \"bb\"]}, \"consumer\": "
        "{\"known\": [\"\", 1, \"00000000000000aa\"], \"served\": {\"serial\": \"\", "
        "\"seen_at\": 4}}}";
    struct set *set = *state;
    struct cert_state found;
    struct err err;

    assert_true(file_replace_at(set->fd, "..state", 0600, text, strlen(text), &err));
    for (int i = 0; i < 2; i++) {
        cert_state_read(set->fd, &found);
        assert_string_equal(found.ca.known[0], "bb");
        assert_int_equal(found.consumer.known[0], 0xaa);
        assert_int_equal(found.consumer.served.seen_s, 0);
        assert_true(cert_state_write(set->fd, &found, &err));
        cert_state_free(&found);
    }
}

static void a_difference_is_what_is_asked_of_the_ca(void **state)
{
    struct arena arena = {0};
    struct cert_config cert = {.pki_mount = "pki", .pki_role = "web"};
    struct record record = {.request = {.pki_mount = "pki", .pki_role = "web"}};

    (void)state;
    text_list_add(&cert.request.names.dns, &arena, "a", 1);
    text_list_add(&cert.request.names.dns, &arena, "b", 1);
    text_list_add(&record.request.request.names.dns, &arena, "b", 1);
    text_list_add(&record.request.request.names.dns, &arena, "a", 1);
    record.leaf.names = record.request.request.names;
    assert_null(record_difference(&record, &cert));
    cert.request.ttl_s = 1;
    assert_string_equal(record_difference(&record, &cert), "ttl changed");
    cert.request.ttl_s = 0;
    cert.issuer = "int-2";
    assert_string_equal(record_difference(&record, &cert), "issuer changed");
    cert.issuer = NULL;
    cert.pki_role = "db";
    assert_string_equal(record_difference(&record, &cert), "PKI role changed");
    cert.pki_role = "web";
    cert.key_origin.source = KEY_FROM_VAULT;
    assert_string_equal(record_difference(&record, &cert), "key source changed");
    cert.key_origin.source = KEY_FROM_HERE;
    cert.request.key_type = KEY_RSA_2048;
    assert_string_equal(record_difference(&record, &cert), "key type changed");
    cert.request.key_type = record.request.request.key_type;
    cert.request.names.common_name = "c";
    assert_string_equal(record_difference(&record, &cert), "names changed");
    cert.request.names.common_name = NULL;
    record.leaf.names.dns.count = 1;
    assert_string_equal(record_difference(&record, &cert),
                        "the certificate lacks names of the section");
    arena_free(&arena);
}

int main(void)
{
#define SET_TEST(name) cmocka_unit_test_setup_teardown(name, make_set, remove_set)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_is_what_is_asked_of_the_ca),
        SET_TEST(a_set_is_staged_with_its_contents_and_modes),
        SET_TEST(facts_of_the_leaf_are_read_from_the_record),
        SET_TEST(a_generation_ends_with_the_first_certificate_on_its_path),
        SET_TEST(what_was_published_is_found_whole_again),
        SET_TEST(damage_is_noticed),
        SET_TEST(whatever_changes_can_be_seen_without_reading),
        SET_TEST(a_key_that_does_not_belong_to_the_certificate_is_noticed),
        SET_TEST(a_section_that_wants_other_files_is_noticed),
        SET_TEST(a_swap_replaces_all_names_and_drops_those_not_wanted),
        SET_TEST(what_a_crash_left_is_healed),
        SET_TEST(files_of_others_are_never_replaced_nor_removed),
        SET_TEST(links_elsewhere_lead_into_the_set),
        SET_TEST(a_rehearsal_leaves_nothing_behind),
        SET_TEST(a_set_has_one_agent),
        SET_TEST(a_set_at_rest_takes_no_descriptor),
        SET_TEST(a_claim_ends_with_its_process),
        SET_TEST(a_lock_that_is_removed_is_missed),
        SET_TEST(a_lock_that_is_none_gives_way),
        SET_TEST(a_directory_that_others_may_write_is_refused),
        cmocka_unit_test(only_names_of_the_form_are_generations),
        SET_TEST(what_may_be_published_is_not_taken_for_something_else),
        SET_TEST(the_state_survives_and_damage_reads_as_none),
        SET_TEST(a_state_of_the_first_edition_keeps_waits_and_what_the_consumer_did),
        SET_TEST(a_state_with_words_that_are_no_utf8_is_written),
        SET_TEST(gaps_in_what_is_known_end_with_the_next_writing),
        SET_TEST(a_revoked_mark_holds_for_one_generation),
        SET_TEST(traditional_keys_are_written_where_wanted),
    };

    /* An agent is known by the name of its program, which under valgrind is not that of the
     * process. */
    prctl(PR_SET_NAME, program_invocation_short_name);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
