#include "install/installed.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "install/cert_state.h"
#include "install/key_file.h"
#include "install/outputs.h"
#include "install/publish.h"
#include "install/set_directory.h"
#include "pki/key.h"
#include "pki/keystore.h"
#include "pki/lists.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUTPUT_MOST_BYTES = 256 * 1024 };

static size_t most_bytes(enum content content)
{
    return content == CONTENT_CRL ? LISTS_MOST_BYTES : OUTPUT_MOST_BYTES;
}

/* Stores the reason if the new health is worse than the previous one. */
__attribute__((format(printf, 3, 4))) static void
note(struct installed *installed, enum installed_health health, const char *format, ...)
{
    va_list args;

    if (health <= installed->health)
        return;
    installed->health = health;
    va_start(args, format);
    vsnprintf(installed->why, sizeof installed->why, format, args);
    va_end(args);
}

/* A generation being read back. */
struct reading {
    const struct cert_config *cert;
    struct installed *installed;
    int fd;
    bool glance;
    struct secret password; /* of keystores; empty: not needed, or not readable now */
};

__attribute__((format(printf, 2, 3))) static void note_spoiled(struct installed *installed,
                                                               const char *format, ...)
{
    char why[sizeof installed->why];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    installed->is_spoiled = true;
    note(installed, INSTALLED_DAMAGED, "%s", why);
}

/* The record is written last, and no file of a generation is written after it. */
static bool is_younger_than_record(const struct reading *reading, const char *name)
{
    struct stat file, record;

    if (fstatat(reading->fd, name, &file, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(reading->fd, record_name, &record, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    return file.st_mtim.tv_sec > record.st_mtim.tv_sec ||
           (file.st_mtim.tv_sec == record.st_mtim.tv_sec &&
            file.st_mtim.tv_nsec > record.st_mtim.tv_nsec);
}

static void note_unread(const struct reading *reading, const char *name, const struct err *err)
{
    if (!reading->glance || err->errnum != EACCES)
        note_spoiled(reading->installed, "%s", err->text);
    else if (is_younger_than_record(reading, name))
        note_spoiled(reading->installed, "%s was written to after it was published", name);
}

static bool exposes(const struct output *output, mode_t mode)
{
    return content_holds_key(output->content) && (mode & ~output->mode & (S_IRGRP | S_IROTH)) != 0;
}

/* Replaces any other reason: an operator must decide about a key that others may have read. */
__attribute__((format(printf, 2, 3))) static void note_exposed(struct installed *installed,
                                                               const char *format, ...)
{
    va_list args;

    installed->is_exposed = true;
    note(installed, INSTALLED_DAMAGED, "exposed");
    va_start(args, format);
    vsnprintf(installed->why, sizeof installed->why, format, args);
    va_end(args);
}

static void check_mode(struct installed *installed, const struct output *output, int fd,
                       const struct stat *about)
{
    if (exposes(output, about->st_mode))
        note_exposed(installed,
                     "the mode of %s was changed to %04o, and others may have read the key in it; "
                     "if they should not have, revoke the certificate",
                     output->name, (unsigned)about->st_mode & 07777);
    /* The mode does not show the users that an access control list names. */
    else if (content_holds_key(output->content) && file_has_acl(fd))
        note_exposed(installed,
                     "%s has an access control list, and the users in it may have read the key; if "
                     "they should not have, revoke the certificate",
                     output->name);
    else if ((about->st_mode & 07777) != output->mode)
        note(installed, INSTALLED_DAMAGED, "the mode of %s was changed", output->name);
    else if ((output->owner != OWNER_UNCHANGED && about->st_uid != output->owner) ||
             (output->group != OWNER_UNCHANGED && about->st_gid != output->group))
        note(installed, INSTALLED_DAMAGED, "the owner of %s was changed", output->name);
}

/* Whether the file has the content that was written. */
static bool check_file(const struct reading *reading, const struct record_file *file)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = most_bytes(file->output.content)};
    CLEANUP(close_fd) int fd = -1;
    bool is_as_written;
    struct installed *installed = reading->installed;
    struct digest digest = {0};
    char hex[DIGEST_HEX_BYTES];
    struct stat about;
    struct err err;

    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): file_count counts them */
    if (!set_file_open(reading->fd, file->output.name, &fd, &err) ||
        !file_read(fd, file->output.name, &bytes, &err)) {
        note_unread(reading, file->output.name, &err);
        return false;
    }
    digest_add(&digest, bytes_text(&bytes), bytes.length);
    is_as_written = digest_hex(&digest, hex, &err) && strcmp(hex, file->digest) == 0;
    if (!is_as_written)
        note_spoiled(installed, "%s was changed", file->output.name);
    if (fstat(fd, &about) != 0)
        note_spoiled(installed, "cannot read the attributes of %s", file->output.name);
    else
        check_mode(installed, &file->output, fd, &about);
    return is_as_written;
}

/* Reads an output. It may belong to its consumer, so its content is compared with the record. */
static bool read_output(int generation_fd, const char *name, struct bytes *bytes, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    return set_file_open(generation_fd, name, &fd, err) && file_read(fd, name, bytes, err);
}

/* Whether the password still opens the keystores. All keystores of a generation have the same one,
 * and trying it takes milliseconds. */
static bool check_password(const struct reading *reading)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = OUTPUT_MOST_BYTES};
    const struct record *record = &reading->installed->record;
    struct err err;
    size_t i = 0;

    while (i < record->file_count && !content_needs_password(record->files[i].output.content))
        i++;
    if (i == record->file_count || reading->password.length == 0 ||
        !read_output(reading->fd, record->files[i].output.name, &bytes, &err) ||
        keystore_opens(bytes_text(&bytes), bytes.length, &reading->password))
        return true;
    note(reading->installed, INSTALLED_UNWANTED,
         "keystore_password_file does not hold the password of %s any more",
         record->files[i].output.name);
    return false;
}

static bool same_output(const struct output *a, const struct output *b)
{
    return strcmp(a->name, b->name) == 0 && a->content == b->content && a->mode == b->mode &&
           a->owner == b->owner && a->group == b->group;
}

/* Whether the generation holds exactly the files that the section asks for. */
static void compare_outputs(struct installed *installed, const struct cert_config *cert)
{
    const struct record *record = &installed->record;
    char formats[DIGEST_HEX_BYTES];
    struct err err;

    installed->has_other_files = record->file_count != cert->outputs.count;
    if (installed->has_other_files)
        note(installed, INSTALLED_UNWANTED, "the section asks for other files");
    for (size_t i = 0; i < record->file_count && i < cert->outputs.count; i++)
        if (!same_output(&record->files[i].output, &cert->outputs.items[i])) {
            installed->has_other_files = true;
            note(installed, INSTALLED_UNWANTED,
                 "the section asks for another content, mode or owner of %s",
                 cert->outputs.items[i].name);
        }
    if (record->formats != NULL &&
        (!record_formats(cert, formats, &err) || strcmp(formats, record->formats) != 0))
        note(installed, INSTALLED_UNWANTED, "the section asks for files in other formats");
}

/* The file from which the key is easiest to read, or NULL. */
static const struct record_file *key_file(const struct record *record)
{
    static const enum content contents[] = {CONTENT_KEY, CONTENT_COMBINED, CONTENT_BUNDLE,
                                            CONTENT_KEY_DER, CONTENT_PKCS12};

    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++)
        for (size_t k = 0; k < record->file_count; k++)
            if (record->files[k].output.content == contents[i])
                return &record->files[k];
    return NULL;
}

static bool parse_key(const struct record_file *file, const struct bytes *bytes,
                      const struct secret *password, EVP_PKEY **ret_key, struct err *err)
{
    const char *content = bytes_text(bytes);

    if (file->output.content == CONTENT_KEY_DER)
        return key_from_der(content, bytes->length, ret_key, err);
    if (file->output.content != CONTENT_PKCS12)
        return key_from_pem(content, bytes->length, ret_key, err);
    if (password->length == 0)
        return err_set(err, ERR_LOCAL,
                       "keystore_password_file cannot be read, and no other "
                       "file holds the key");
    if (!keystore_opens(content, bytes->length, password))
        return err_set(err, ERR_LOCAL,
                       "keystore_password_file does not hold its password any "
                       "more, and no other file holds the key");
    return keystore_key(content, bytes->length, password, ret_key, err);
}

static bool read_key(int generation_fd, const struct record *record, const struct secret *password,
                     EVP_PKEY **ret_key, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = OUTPUT_MOST_BYTES};
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;
    const struct record_file *file = key_file(record);

    if (file == NULL)
        return err_set(err, ERR_LOCAL, "no file holds the key");
    if (!read_output(generation_fd, file->output.name, &bytes, err))
        return false;
    if (!parse_key(file, &bytes, password, &key, err) ||
        !certificate_has_key(record->leaf_pem, key, err))
        return err_wrap(err, "%s", file->output.name);
    *ret_key = TAKE(key);
    return true;
}

/*
 * Whether key and certificate belong together. They did when the record was written. So the key is
 * decoded only if its file has changed. A keystore whose password cannot be read now is judged by
 * its digest only.
 */
static void check_key(const struct reading *reading)
{
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;
    const struct record *record = &reading->installed->record;
    const struct record_file *file = key_file(record);
    struct err err;

    if (file != NULL && file->output.content == CONTENT_PKCS12 && reading->password.length == 0 &&
        reading->installed->health < INSTALLED_DAMAGED)
        return;
    if (!read_key(reading->fd, record, &reading->password, &key, &err))
        note(reading->installed, INSTALLED_NOTHING, "%s", err.text);
}

/* Opens the generation and reads its record. Fails if other users may have made either. */
static bool open_generation(int set_fd, const char *name, int *ret_fd, struct arena *arena,
                            struct record *ret_record, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = RECORD_MOST_BYTES};
    CLEANUP(close_fd) int fd = -1;
    struct trust trust = set_file_trust(set_fd);

    if (!set_file_open_directory(&trust, set_fd, name, &fd, err) ||
        !set_file_read(&trust, fd, record_name, &bytes, err) ||
        !record_read(bytes_text(&bytes), bytes.length, arena, ret_record, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

/* Stores that no usable generation is there. */
static void note_nothing(struct installed *installed, const struct err *err)
{
    installed->is_foreign = err->errnum == EPERM;
    note(installed, INSTALLED_NOTHING, "%s", err->text);
}

/* A key that somebody else keeps need not be among the files. */
static bool needs_key_output(const struct cert_config *cert, const struct record_file *key)
{
    return !cert->is_trust && (key != NULL || cert->key_origin.source != KEY_FROM_FILE);
}

static void read_files(int generation_fd, const struct cert_config *cert, bool glance,
                       struct installed *installed)
{
    struct reading reading = {cert, installed, generation_fd, glance, {0}};
    const struct record_file *key = key_file(&installed->record);
    bool has_key = key != NULL;
    struct err err;

    /* A password file that cannot be read is reported by the next staging. */
    if (!glance)
        (void)output_password(cert, &reading.password, &err);
    compare_outputs(installed, cert);
    for (size_t i = 0; i < installed->record.file_count; i++) {
        const struct record_file *file = &installed->record.files[i];

        if (check_file(&reading, file))
            continue;
        has_key = has_key && key != file;
        if (file->output.content == CONTENT_CRL && !glance)
            note(installed, INSTALLED_NOTHING, "only the CA has the revocation lists that %s held",
                 file->output.name);
    }
    if (!check_password(&reading) && has_key && key->output.content == CONTENT_PKCS12)
        has_key = false;
    if (!glance && cert->key_origin.source == KEY_FROM_FILE)
        installed->has_other_key =
            key_file_differs(cert->key_origin.file, installed->record.leaf_pem);
    if (!glance && !has_key && needs_key_output(cert, key))
        check_key(&reading);
    secret_wipe(&reading.password);
}

/* Reads the generation installed->generation. */
static void read_named(int set_fd, const struct cert_config *cert, bool glance,
                       struct installed *installed)
{
    CLEANUP(close_fd) int fd = -1;
    struct err err;

    if (open_generation(set_fd, installed->generation, &fd, &installed->arena, &installed->record,
                        &err))
        read_files(fd, cert, glance, installed);
    else
        note_nothing(installed, &err);
}

static void read_published(int set_fd, const struct cert_config *cert, bool glance,
                           struct installed *ret_installed)
{
    struct err err;

    *ret_installed = (struct installed){0};
    if (publish_current(set_fd, ret_installed->generation, &err)) {
        read_named(set_fd, cert, glance, ret_installed);
        return;
    }
    ret_installed->generation[0] = '\0';
    note_nothing(ret_installed, &err);
}

void installed_read(int set_fd, const struct cert_config *cert, struct installed *ret_installed)
{
    read_published(set_fd, cert, false, ret_installed);
}

void installed_glance(int set_fd, const struct cert_config *cert, struct installed *ret_installed)
{
    read_published(set_fd, cert, true, ret_installed);
}

void installed_read_generation(int set_fd, const char *generation, const struct cert_config *cert,
                               struct installed *ret_installed)
{
    *ret_installed = (struct installed){0};
    snprintf(ret_installed->generation, sizeof ret_installed->generation, "%s", generation);
    read_named(set_fd, cert, false, ret_installed);
}

bool installed_record(int set_fd, struct arena *arena, struct record *ret_record, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    char name[GENERATION_NAME_BYTES];

    return publish_current(set_fd, name, err) &&
           open_generation(set_fd, name, &fd, arena, ret_record, err);
}

/* -- the digest of the files' attributes ----------------------------------------------------------
 */

/* `lasts` is false for entries that leafd itself changes often; then sizes and times are left
 * out. */
static void add_stat(struct digest *digest, int dir_fd, const char *path, bool lasts)
{
    struct stat about = {0};
    int failed = fstatat(dir_fd, path, &about, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
    const uint64_t facts[] = {
        (uint64_t)failed,
        about.st_mode,
        about.st_uid,
        about.st_gid,
        about.st_dev,
        about.st_ino,
        lasts ? (uint64_t)about.st_size : 0,
        lasts ? (uint64_t)about.st_mtim.tv_sec : 0,
        lasts ? (uint64_t)about.st_mtim.tv_nsec : 0,
        lasts ? (uint64_t)about.st_ctim.tv_sec : 0,
        lasts ? (uint64_t)about.st_ctim.tv_nsec : 0,
    };

    digest_add(digest, facts, sizeof facts);
}

static void add_link(struct digest *digest, int dir_fd, const char *path)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(dir_fd, path, target, sizeof target - 1);

    target[length < 0 ? 0 : length] = '\0';
    digest_add(digest, target, strlen(target) + 1);
}

bool installed_print(int set_fd, const struct cert_config *cert, const char *generation,
                     char ret_print[static DIGEST_HEX_BYTES], struct err *err)
{
    CLEANUP(digest_drop) struct digest digest = {0};
    char path[GENERATION_NAME_BYTES + NAME_MAX + 1];

    add_stat(&digest, set_fd, ".", false);
    add_stat(&digest, set_fd, generation, true);
    add_stat(&digest, set_fd, publish_data_name, false);
    add_link(&digest, set_fd, publish_data_name);
    snprintf(path, sizeof path, "%s/%s", generation, record_name);
    add_stat(&digest, set_fd, path, true);
    for (size_t i = 0; i < cert->outputs.count; i++) {
        add_link(&digest, set_fd, cert->outputs.items[i].name);
        snprintf(path, sizeof path, "%s/%s", generation, cert->outputs.items[i].name);
        add_stat(&digest, set_fd, path, true);
    }
    for (size_t i = 0; i < cert->links.count; i++)
        add_link(&digest, AT_FDCWD, cert->links.items[i].path);
    if (cert->key_origin.source == KEY_FROM_FILE)
        add_stat(&digest, AT_FDCWD, cert->key_origin.file, true);
    return digest_hex(&digest, ret_print, err);
}

/* -- the issued set again -------------------------------------------------------------------------
 */

static bool copy_list(struct text_list *to, struct arena *arena, const struct text_list *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!text_list_add(to, arena, from->items[i], strlen(from->items[i])))
            return false;
    return true;
}

static bool copy_record(const struct record *record, struct issued *issued, struct err *err)
{
    const char *leaf_pem = arena_copy(&issued->arena, record->leaf_pem);
    const char *request_id = arena_copy(&issued->arena, record->request_id);

    if (leaf_pem == NULL || request_id == NULL ||
        !copy_list(&issued->chain_pem, &issued->arena, &record->chain_pem) ||
        !copy_list(&issued->ca_pem, &issued->arena, &record->ca_pem))
        return err_memory(err);
    issued->leaf_pem = leaf_pem;
    issued->request_id = request_id;
    issued->issued_s = record->issued_s;
    issued->end_s = record->end_s;
    return certificate_read(leaf_pem, &issued->arena, &issued->leaf, err);
}

/* Reads the revocation lists back, if there are any: they are too long for the record. */
static bool read_lists(int generation_fd, const struct record *record, struct issued *issued,
                       struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = LISTS_MOST_BYTES};

    for (size_t i = 0; i < record->file_count; i++) {
        if (record->files[i].output.content != CONTENT_CRL)
            continue;
        if (!read_output(generation_fd, record->files[i].output.name, &bytes, err))
            return false;
        return text_list_add(&issued->crl_pem, &issued->arena, bytes_text(&bytes), bytes.length) ||
               err_memory(err);
    }
    return true;
}

/* Files with other owners could give the key to the consumer of another section, if an attacker
 * exchanged two sets. */
static bool may_recover(const struct installed *installed, const struct cert_config *cert,
                        struct err *err)
{
    return !installed->has_other_files || record_is_of(&installed->record, cert) ||
           err_set(err, ERR_LOCAL,
                   "the set was made for [cert %s], and no other section gets its key",
                   installed->record.cert);
}

/* The key from the files, or from the file of somebody else if they hold none. */
static bool take_key(int generation_fd, const struct cert_config *cert, const struct record *record,
                     const struct secret *password, EVP_PKEY **ret_key, struct err *err)
{
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;

    if (key_file(record) != NULL || cert->key_origin.source != KEY_FROM_FILE)
        return read_key(generation_fd, record, password, ret_key, err);
    if (!key_file_read(cert->key_origin.file, &key, err) ||
        !certificate_has_key(record->leaf_pem, key, err))
        return false;
    *ret_key = TAKE(key);
    return true;
}

const char *installed_difference(const struct installed *installed, const struct cert_config *cert)
{
    const char *difference = record_difference(&installed->record, cert);

    if (difference == NULL && installed->has_other_key)
        difference = "key file changed";
    if (difference == NULL && installed->has_other_files && !record_is_of(&installed->record, cert))
        return "the set was made for another section";
    return difference;
}

bool installed_recover(int set_fd, const struct cert_config *cert,
                       const struct installed *installed, struct issued *ret_issued,
                       struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;
    CLEANUP(secret_wipe) struct secret password = {0};
    const struct record *record = &installed->record;
    const struct record_file *file = key_file(record);
    struct trust trust = set_file_trust(set_fd);

    *ret_issued = (struct issued){0};
    if (!may_recover(installed, cert, err) ||
        !set_file_open_directory(&trust, set_fd, installed->generation, &fd, err))
        return false;
    if (file != NULL && file->output.content == CONTENT_PKCS12 &&
        !output_password(cert, &password, err))
        return false;
    if ((cert->is_trust || (take_key(fd, cert, record, &password, &key, err) &&
                            key_to_pem(key, false, &ret_issued->key_pem, err))) &&
        copy_record(record, ret_issued, err) && read_lists(fd, record, ret_issued, err))
        return true;
    issued_free(ret_issued);
    return false;
}

void installed_judge_names(int set_fd, const struct cert_config *cert, struct installed *installed)
{
    struct err err;

    if (installed->health >= INSTALLED_DAMAGED || publish_stands(set_fd, cert, &err))
        return;
    installed->health = INSTALLED_DAMAGED;
    snprintf(installed->why, sizeof installed->why, "%.255s", err.text);
}

void installed_free(struct installed *installed)
{
    arena_free(&installed->arena);
    *installed = (struct installed){0};
}
