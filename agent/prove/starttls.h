/*
 * starttls - the plaintext dialogues before TLS begins
 *
 * A dialogue is pure: bytes of the server go in, bytes for the server come out, and each step says
 * whether TLS may begin. The server's data has limits, for one line or packet and in all, and must
 * end where TLS begins: a man in the middle may have injected any byte after that (CVE-2021-23214).
 *
 * PostgreSQL: "SSL Session Encryption" in its protocol chapter. MySQL: "Protocol::SSLRequest" in
 * its source documentation. SMTP: RFC 3207. IMAP: RFC 3501 section 6.2.1. LDAP: RFC 4511 section
 * 4.14.
 */
#ifndef LEAFD_PROVE_STARTTLS_H
#define LEAFD_PROVE_STARTTLS_H

#include "config/config.h"

#include <stddef.h>

enum {
    STARTTLS_IN_BYTES = 4096,       /* the longest line or packet */
    STARTTLS_IN_MOST_BYTES = 32768, /* all data of the server */
    STARTTLS_OUT_BYTES = 64,
    STARTTLS_WHY_BYTES = 240,
};

enum starttls_step {
    STARTTLS_WAITS, /* needs more bytes of the server */
    STARTTLS_READY, /* TLS may begin, once `out` is sent */
    STARTTLS_FAILED /* `why` has the reason */
};

struct starttls_talk {
    enum starttls kind;
    unsigned stage;
    bool offered; /* smtp: the list of extensions had STARTTLS */
    unsigned char in[STARTTLS_IN_BYTES];
    size_t in_length, in_total;
    unsigned char
        out[STARTTLS_OUT_BYTES]; /* to be sent; the caller sets out_length to 0 after that */
    size_t out_length;
    char why[STARTTLS_WHY_BYTES];
};

/* starttls_begin - starts a dialogue; READY if the protocol has none */
enum starttls_step starttls_begin(struct starttls_talk *talk, enum starttls kind);

/* starttls_hear - continues with bytes of the server; not called again after READY or FAILED */
enum starttls_step starttls_hear(struct starttls_talk *talk, const void *bytes, size_t length);

#endif
