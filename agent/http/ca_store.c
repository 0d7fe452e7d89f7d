#include "http/ca_store.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
    FILE_MOST_BYTES = 1024 * 1024,
    FOLDER_MOST_BYTES = 4 * 1024 * 1024, /* of all certificates */
    PATH_BYTES = 4096,
    HASH_DIGITS = 8
};

DEFINE_CLEANUP(cleanup_bio, BIO *, BIO_free_all)

static void free_infos(STACK_OF(X509_INFO) * infos)
{
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
}

DEFINE_CLEANUP(cleanup_infos, STACK_OF(X509_INFO) *, free_infos)

static int no_password(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static bool read_text(const struct ca_place *place, const char *path, struct bytes *text,
                      struct err *err)
{
    return place->is_system ? file_read_at(AT_FDCWD, path, text, err)
                            : file_read_trusted(path, text, err);
}

/* Adds the certificates of a PEM text, and nothing else of it. */
static bool add_certificates(X509_STORE *cas, const struct bytes *text, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(bytes_text(text), (int)text->length);
    CLEANUP(cleanup_infos)
    STACK_OF(X509_INFO) *infos =
        bio == NULL ? NULL : PEM_X509_INFO_read_bio(bio, NULL, no_password, NULL);
    size_t found = 0;

    ERR_clear_error();
    if (bio == NULL)
        return err_memory(err);
    if (infos == NULL)
        return err_set(err, ERR_LOCAL,
                       "it holds a certificate that cannot be read; write the file anew");
    for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
        X509 *certificate = sk_X509_INFO_value(infos, i)->x509;

        if (certificate != NULL && X509_STORE_add_cert(cas, certificate) != 1)
            return err_memory(err);
        found += certificate != NULL;
    }
    return found > 0 || err_set(err, ERR_LOCAL, "it holds no certificate in PEM");
}

static bool add_file(const struct ca_place *place, X509_STORE *cas, struct err *err)
{
    CLEANUP(bytes_free) struct bytes text = {.limit = FILE_MOST_BYTES};

    return (read_text(place, place->file, &text, err) && add_certificates(cas, &text, err)) ||
           err_wrap(err, "cannot read %s %s",
                    place->is_system ? "the system's CAs in" : place->file_key, place->file);
}

/* The next file of a directory under a name that libcrypto looks for, see openssl-rehash(1); NULL:
 * no more. */
static const char *next_hash(DIR *directory)
{
    const struct dirent *entry;

    while ((entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name, *number = name + HASH_DIGITS + 1;

        if (strspn(name, "0123456789abcdef") == HASH_DIGITS && number[-1] == '.' &&
            number[0] != '\0' && number[strspn(number, "0123456789")] == '\0')
            return name;
    }
    return NULL;
}

static X509 *certificate_at(const X509_STORE *cas, int at)
{
    return X509_OBJECT_get0_X509(sk_X509_OBJECT_value(X509_STORE_get0_objects(cas), at));
}

static int count_certificates(const X509_STORE *cas)
{
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(cas));
}

/* The hashes of the subjects, each with a dot, as names of files in a directory begin. */
static bool list_hashes(const X509_STORE *cas, struct bytes *hashes)
{
    char hash[HASH_DIGITS + 2];

    hashes->limit = (size_t)count_certificates(cas) * (HASH_DIGITS + 1);
    for (int i = 0; i < count_certificates(cas); i++) {
        snprintf(hash, sizeof hash, "%08lx.", X509_subject_name_hash(certificate_at(cas, i)));
        if (!bytes_add(hashes, hash, HASH_DIGITS + 1))
            return false;
    }
    return true;
}

static bool is_listed(const struct bytes *hashes, const char *name)
{
    char hash[HASH_DIGITS + 2];

    snprintf(hash, sizeof hash, "%.*s", HASH_DIGITS + 1, name);
    return strstr(bytes_text(hashes), hash) != NULL;
}

/*
 * As libcrypto does, asks the directory only for subjects that the store does not have, and passes
 * over a file that cannot be read: the others may suffice.
 */
static bool add_folder(const struct ca_place *place, X509_STORE *cas, struct err *err)
{
    const char *what = place->is_system ? "the system's CAs in" : "ca_path",
               *folder = place->folder;
    CLEANUP(close_directory) DIR *directory = opendir(folder);
    CLEANUP(bytes_free) struct bytes hashes = {0};
    const int before = count_certificates(cas);
    size_t left = FOLDER_MOST_BYTES;
    const char *name;
    char path[PATH_BYTES];
    struct err why = {0};

    if (directory == NULL)
        return err_errno(err, ERR_LOCAL, errno, "cannot read %s %s", what, folder);
    if (!list_hashes(cas, &hashes))
        return err_memory(err);
    while ((name = next_hash(directory)) != NULL) {
        CLEANUP(bytes_free)
        struct bytes text = {.limit = left < FILE_MOST_BYTES ? left : FILE_MOST_BYTES};

        if (is_listed(&hashes, name) ||
            snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
            continue;
        if (read_text(place, path, &text, &why))
            add_certificates(cas, &text, &why);
        left -= text.length;
    }
    if (count_certificates(cas) > before)
        return true;
    err_set(err, ERR_LOCAL,
            "cannot read %s %s: it holds no certificate under a name like 5ed36f99.0; run "
            "openssl rehash on it",
            what, folder);
    return why.kind != ERR_NONE && err_append(err, " (%s)", why.text);
}

/* A directory beside a good file may give nothing. */
static bool add_both(const struct ca_place *place, X509_STORE *cas, struct err *err)
{
    struct err why;

    if (place->file == NULL)
        return add_folder(place, cas, err);
    if (add_file(place, cas, err))
        return place->folder == NULL || add_folder(place, cas, &why) || true;
    return place->is_system &&
           ((place->folder != NULL && add_folder(place, cas, &why)) ||
            err_append(err, "; install the system's CA certificates, or set %s", place->file_key));
}

X509_STORE *ca_store_read(const struct ca_place *place, struct err *err)
{
    X509_STORE *cas = X509_STORE_new();

    /* As libcurl sets them: an intermediate CA may be trusted by itself. */
    if (cas == NULL ||
        X509_STORE_set_flags(cas, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) != 1) {
        err_memory(err);
    } else if (add_both(place, cas, err)) {
        return cas;
    }
    X509_STORE_free(cas);
    return NULL;
}

bool ca_store_write(const X509_STORE *cas, int most, struct bytes *text, struct err *err)
{
    for (int i = 0; i < count_certificates(cas) && i < most; i++) {
        CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_mem());
        X509 *certificate = certificate_at(cas, i);
        char *pem;
        long length;

        if (bio == NULL || !(X509_trusted(certificate) ? PEM_write_bio_X509_AUX(bio, certificate)
                                                       : PEM_write_bio_X509(bio, certificate)))
            return err_memory(err);
        length = BIO_get_mem_data(bio, &pem);
        if (length <= 0 || !bytes_add(text, pem, (size_t)length))
            return err_set(err, ERR_LOCAL, "there are too many CA certificates, or memory ran out");
    }
    return true;
}

void ca_store_stamp(const struct ca_place *place, struct digest *stamp)
{
    const char *folder = place->folder;
    CLEANUP(close_directory) DIR *directory = folder == NULL ? NULL : opendir(folder);
    const char *name;

    file_stamp_at(stamp, AT_FDCWD, place->file);
    file_stamp_at(stamp, AT_FDCWD, folder);
    while (directory != NULL && (name = next_hash(directory)) != NULL) {
        digest_add(stamp, name, strlen(name));
        file_stamp_at(stamp, dirfd(directory), name);
    }
}

struct ca_place ca_place_of_system(const char *file_key)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    const bool is_known = curl->cainfo != NULL || curl->capath != NULL;

    return (struct ca_place){
        .file = is_known ? curl->cainfo : X509_get_default_cert_file(),
        .folder = is_known ? curl->capath : X509_get_default_cert_dir(),
        .file_key = file_key,
        .is_system = true,
    };
}
