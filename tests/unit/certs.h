/*
 * certs - a little CA for unit tests, by OpenSSL alone
 *
 * Independent of pki/, which it is there to check.
 */
#ifndef LEAFD_TESTS_CERTS_H
#define LEAFD_TESTS_CERTS_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* What a certificate shall be; 0 and NULL are the usual. */
struct cert_order {
    const char *common_name;    /* NULL: an empty subject */
    const char *organization;   /* behind it; NULL: none */
    const char *san;            /* as OpenSSL's configuration writes it, "DNS:a,IP:1.2.3.4" */
    const char *extended_usage; /* NULL: serverAuth,clientAuth; "": none */
    const char *usage;          /* NULL: critical,digitalSignature; "": none */
    const char *constraints;    /* of the names below it, "permitted;DNS:a"; NULL: none */
    long from_s, to_s;          /* relative to now; both 0: -30 to 3600 */
    const EVP_MD *digest;       /* NULL: SHA-256 */
    int is_ca;
};

/* certs_key - a new P-256 key, or RSA of that many bits */
EVP_PKEY *certs_key(int rsa_bits);

/* certs_make - a certificate for `key`, signed by the issuer, or by itself if `issuer` is NULL */
X509 *certs_make(const struct cert_order *order, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key);

/* certs_pem - the certificate as PEM without a line break at its end, as Vault sends it; malloc()ed
 */
char *certs_pem(X509 *certificate);

#endif
