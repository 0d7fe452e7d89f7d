/*
 * csr - the certificate signing request (PKCS#10, RFC 2986)
 *
 * It carries every name that is asked for, as subject CN and as subjectAltName extension, because
 * the CA takes the names from the CSR alone unless its role says otherwise. The extension is built
 * from the names one by one, never from a text that OpenSSL parses.
 */
#ifndef LEAFD_PKI_CSR_H
#define LEAFD_PKI_CSR_H

#include "base/bytes.h"
#include "base/cert_request.h"
#include "base/err.h"

#include <openssl/types.h>

/* csr_build - signs a request for `names` with `key` and adds it to `pem`; fails with class local
 */
bool csr_build(EVP_PKEY *key, const struct names *names, struct bytes *pem, struct err *err);

#endif
