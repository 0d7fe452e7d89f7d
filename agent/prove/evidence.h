/*
 * evidence - what a proof by TLS has seen, for the audit file
 *
 * It is not kept when the proof has been reported: of ten thousand certificates it would take
 * megabytes.
 */
#ifndef LEAFD_PROVE_EVIDENCE_H
#define LEAFD_PROVE_EVIDENCE_H

#include "prove/resolve.h"

#include <openssl/ssl.h>

enum { EVIDENCE_ADDRESS_BYTES = 128, EVIDENCE_TOP_BYTES = 256, EVIDENCE_VERSION_BYTES = 16 };

/* Initialise with {0}; "" where it was not seen. */
struct evidence {
    char address[EVIDENCE_ADDRESS_BYTES]; /* ADDRESS:PORT, or the path of a socket */
    char tls_version[EVIDENCE_VERSION_BYTES];
    char top[EVIDENCE_TOP_BYTES]; /* subject of the last certificate that was sent, RFC 2253 */
};

/* evidence_note - notes where a handshake was made, and how; `ssl` NULL: there was none */
void evidence_note(struct evidence *evidence, const struct resolved_address *address,
                   const SSL *ssl);

#endif
