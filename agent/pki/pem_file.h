/*
 * pem_file - whether a file that the configuration names holds what it should
 *
 * Asked when a configuration is read, before libcurl or a vetting runs into it. Failures are of
 * class local, in words that follow the file's name, with a remedy.
 */
#ifndef LEAFD_PKI_PEM_FILE_H
#define LEAFD_PKI_PEM_FILE_H

#include "base/err.h"

#include <stdint.h>

/*
 * pem_file_certificates - whether the file holds certificates in PEM, and each can be read
 *
 * *ret_end_s becomes the end of the one that ends last, in seconds since 1970. Blocks: reads up to
 * 1 MiB.
 */
bool pem_file_certificates(const char *path, uint64_t *ret_end_s, struct err *err);

/*
 * pem_file_key - whether the file holds a private key in PEM, not encrypted, that belongs to the
 * first certificate in the other file
 *
 * True if it is that other file that is wrong. Blocks like the other.
 */
bool pem_file_key(const char *path, const char *certificate_path, struct err *err);

#endif
