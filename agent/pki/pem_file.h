/*
 * pem_file - checks whether a file of the configuration holds certificates or a key in PEM
 *
 * Called when a configuration is read, so that a wrong file is reported then and not by a failing
 * request. Fails with class local; the texts follow the file's name and say what to do.
 */
#ifndef LEAFD_PKI_PEM_FILE_H
#define LEAFD_PKI_PEM_FILE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct pem_file_facts {
    size_t certificates, bytes;
    uint64_t end_s; /* the latest notAfter, in seconds since 1970 */
};

/* Which PEM blocks count as certificates. */
enum pem_file_form {
    PEM_FILE_PLAIN,
    PEM_FILE_OR_TRUSTED, /* also BEGIN TRUSTED CERTIFICATE: x509(1) */
};

/*
 * pem_file_certificates - whether the file holds at least one certificate, and all can be read
 *
 * Blocks: reads up to 1 MiB. Fails for a file that other users may write (base/trust).
 */
bool pem_file_certificates(const char *path, enum pem_file_form form,
                           struct pem_file_facts *ret_facts, struct err *err);

/*
 * pem_file_key - whether the file holds an unencrypted private key for the first certificate of the
 * other file
 *
 * True if the other file cannot be read: that is reported by its own check. Blocks: reads both.
 */
bool pem_file_key(const char *path, const char *certificate_path, struct err *err);

#endif
