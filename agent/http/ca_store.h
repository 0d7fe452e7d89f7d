/*
 * ca_store - the CA certificates of a file and of a directory, parsed for libcrypto
 *
 * As libcurl reads them, but at once: libcrypto would open the files of a directory during a
 * handshake. All of this blocks: it is for a worker.
 */
#ifndef LEAFD_HTTP_CA_STORE_H
#define LEAFD_HTTP_CA_STORE_H

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"

#include <openssl/x509.h>

/* Where they are; one of the paths may be NULL. */
struct ca_place {
    const char *file, *folder; /* PEM; a directory of PEM files under their hash names */
    const char *file_key;      /* the key of the configuration that names such a file, for texts */
    bool is_system;            /* others than root and this process's user may write them */
};

/* ca_place_of_system - where libcurl was built to look, or else libcrypto; static texts */
struct ca_place ca_place_of_system(const char *file_key);

/*
 * ca_store_read - reads and parses the certificates; the caller frees the store
 *
 * From the directory only those whose subject the file does not have, as libcrypto does; files in
 * it that cannot be read are passed over. There is at least one certificate, and a good file is
 * enough. NULL with *err filled, class local.
 */
X509_STORE *ca_store_read(const struct ca_place *place, struct err *err);

/* ca_store_write - adds the first `most` certificates as PEM; fails with class local */
bool ca_store_write(const X509_STORE *cas, int most, struct bytes *text, struct err *err);

/* ca_store_stamp - adds how the files look: file_stamp_at */
void ca_store_stamp(const struct ca_place *place, struct digest *stamp);

#endif
