/*
 * certificate - what a certificate says, in plain values
 *
 * The rest of leafd holds certificates as PEM texts and these facts; X509 objects live inside pki/
 * only, and only while something is done with them.
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
    unsigned other_names;               /* alternative names of kinds that leafd never asks for */
    char serial[SERIAL_TEXT_BYTES];     /* as the CA's API writes it: 39:dd:2e:... */
    char fingerprint[DIGEST_HEX_BYTES]; /* SHA-256 of the DER */
    const char *issuer;                 /* its distinguished name, RFC 2253 */
    /* Of the key that signed it, in hex; "" if the certificate does not say. */
    char authority_key[KEY_IDENTIFIER_BYTES];
    char subject_key[KEY_IDENTIFIER_BYTES]; /* of its own key, likewise */
};

/*
 * certificate_read - reads the facts out of the first certificate in a PEM text
 *
 * Texts go into `arena`. Fails with class untrusted if it is no certificate, or one whose names
 * cannot be told apart (a NUL inside).
 */
bool certificate_read(const char *pem, struct arena *arena, struct certificate_facts *ret_facts,
                      struct err *err);

/* certificate_facts_of - the same from an X509, for the rooms of pki/ and for what a handshake
 * shows */
bool certificate_facts_of(const X509 *certificate, struct arena *arena,
                          struct certificate_facts *ret_facts, struct err *err);

/* certificate_validity - its validity alone; false if it cannot be read */
bool certificate_validity(const X509 *certificate, struct validity *ret_validity);

/* certificate_name - a distinguished name as RFC 2253 has it, in the arena; NULL without memory */
const char *certificate_name(const X509_NAME *name, struct arena *arena);

/* certificate_to_der - adds the DER of the first certificate in a PEM text; fails with class local
 */
bool certificate_to_der(const char *pem, struct bytes *der, struct err *err);

/*
 * certificate_has_key - whether the public key in a PEM certificate belongs to the private key
 *
 * False, with *err filled, also when the certificate cannot be read. Fails with class local.
 */
bool certificate_has_key(const char *pem, const EVP_PKEY *key, struct err *err);

#endif
