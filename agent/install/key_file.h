/*
 * key_file - a private key that somebody else made and keeps: key_source = file PATH
 */
#ifndef LEAFD_INSTALL_KEY_FILE_H
#define LEAFD_INSTALL_KEY_FILE_H

#include "base/err.h"

#include <openssl/types.h>

/*
 * key_file_read - reads the first private key in the PEM file
 *
 * Only root and this process's user may be able to write it, and no other user of the machine to
 * read it: base/trust.h. The caller owns *ret_key and frees it with key_free. Blocks on the disk.
 * Fails with class local.
 */
bool key_file_read(const char *path, EVP_PKEY **ret_key, struct err *err);

/*
 * key_file_differs - whether the file holds another key than that of the certificate, in PEM
 *
 * False if the file cannot be read: the next request says why.
 */
bool key_file_differs(const char *path, const char *leaf_pem);

#endif
