/*
 * certificate - the fields of a certificate as plain values
 *
 * The rest of leafd holds certificates as PEM texts and these facts. X509 objects are used inside
 * pki/ and for handshakes only.
 */
#ifndef LEAFD_PKI_CERTIFICATE_H
#define LEAFD_PKI_CERTIFICATE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/cert_request.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"

#include <openssl/types.h>

enum { SERIAL_TEXT_BYTES = 3 * 20 + 8, KEY_IDENTIFIER_BYTES = 2 * 32 + 1 };

struct certificate_facts {
    struct validity validity;
    struct names names;                 /* in the arena they were read into */
    unsigned other_names;               /* alternative names of other types */
    char serial[SERIAL_TEXT_BYTES];     /* as Vault's API writes it: 39:dd:2e:... */
    char fingerprint[DIGEST_HEX_BYTES]; /* SHA-256 of the DER encoding */
    const char *issuer;                 /* distinguished name, RFC 2253 */
    /* The key identifier of the issuer's key, in hex; "" if the certificate has none. */
    char authority_key[KEY_IDENTIFIER_BYTES];
    char subject_key[KEY_IDENTIFIER_BYTES]; /* of the certificate's own key, likewise */
};

/*
 * certificate_read - reads the facts of the first certificate in a PEM text
 *
 * Texts are allocated in `arena`. Fails with class untrusted if the text holds no certificate, or
 * if a name in it contains a NUL.
 */
bool certificate_read(const char *pem, struct arena *arena, struct certificate_facts *ret_facts,
                      struct err *err);

/* certificate_facts_of - the same for an X509, such as one from a handshake */
bool certificate_facts_of(const X509 *certificate, struct arena *arena,
                          struct certificate_facts *ret_facts, struct err *err);

/* What a certificate says of a CA, and where its revocation is published. */
struct certificate_limits {
    bool is_self_issued, has_name_constraints, has_path_length;
    bool has_revocation_address; /* of a CRL (RFC 5280, 4.2.1.13) or an OCSP responder */
    int key_strength_bits;       /* 0: not known */
};

/* certificate_limits_read - reads them of the first certificate in a PEM text; fails with class
 * untrusted if it holds none */
bool certificate_limits_read(const char *pem, struct certificate_limits *ret_limits,
                             struct err *err);

/* certificate_moment - seconds since 1970, 0 for a time before; false if it cannot be read */
bool certificate_moment(const ASN1_TIME *time, uint64_t *ret_moment);

/* certificate_validity - reads notBefore and notAfter; false if one of them cannot be read */
bool certificate_validity(const X509 *certificate, struct validity *ret_validity);

/* certificate_name - a distinguished name as text (RFC 2253), in the arena; NULL if memory ran
 * out */
const char *certificate_name(const X509_NAME *name, struct arena *arena);

/* certificate_subject - the subject of the first certificate in a PEM text (RFC 2253), in the
 * arena; NULL if it cannot be read */
const char *certificate_subject(const char *pem, struct arena *arena);

/* certificate_to_der - adds the DER of the first certificate in a PEM text to `der`; fails with
 * class local */
bool certificate_to_der(const char *pem, struct bytes *der, struct err *err);

/*
 * certificate_has_key - whether the first certificate in a PEM text is for the private key
 *
 * Fails with class local if it is for another key or cannot be read.
 */
bool certificate_has_key(const char *pem, const EVP_PKEY *key, struct err *err);

#endif
