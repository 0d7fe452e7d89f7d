/*
 * pem_file - whether a file that the configuration names holds what it should
 *
 * Asked when a configuration is read, before libcurl or a vetting runs into it. Failures are of
 * class local, in words that follow the file's name, with a remedy.
 */
#ifndef LEAFD_PKI_PEM_FILE_H
#define LEAFD_PKI_PEM_FILE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct pem_file_facts {
    size_t certificates, bytes;
    uint64_t end_s; /* of the certificate that ends last, in seconds since 1970 */
};

/* What counts as a certificate. */
enum pem_file_form {
    PEM_FILE_PLAIN,
    PEM_FILE_OR_TRUSTED, /* also BEGIN TRUSTED CERTIFICATE of x509(1), with what it is trusted for
                          */
};

/*
 * pem_file_certificates - whether the file holds certificates in PEM, and each can be read
 *
 * Blocks: reads up to 1 MiB.
 */
bool pem_file_certificates(const char *path, enum pem_file_form form,
                           struct pem_file_facts *ret_facts, struct err *err);

/*
 * pem_file_key - whether the file holds a private key in PEM, not encrypted, that belongs to the
 * first certificate in the other file
 *
 * True if it is that other file that is wrong. Blocks like the other.
 */
bool pem_file_key(const char *path, const char *certificate_path, struct err *err);

#endif
