/*
 * csr - a certificate signing request, taken apart
 */
#ifndef DEVCA_CSR_H
#define DEVCA_CSR_H

#include "asked.h"

#include <openssl/x509.h>

#include <stdbool.h>

/* Initialise with {0}, end with csr_close. */
struct csr {
    X509_REQ *request;
    EVP_PKEY *key; /* of the request */
    struct asked asked;
    const char *other_oid; /* the type of an otherName in it, or NULL */
    bool has_basic_constraints;
};

/* csr_open - reads a request in PEM; false, and Vault's words in *ret_why, if it is none */
bool csr_open(struct arena *arena, const char *pem, struct csr *csr, const char **ret_why);

/* csr_is_signed - whether whoever sent it holds the key */
bool csr_is_signed(const struct csr *csr);

/* csr_close - also the release for CLEANUP */
void csr_close(struct csr *csr);

#endif
