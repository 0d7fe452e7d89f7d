/*
 * starttls - what is said in the clear before TLS begins
 *
 * A talk is pure: bytes of the server go in, bytes for it come out, and each step tells whether TLS
 * may begin. What the server says has ceilings, for one line or packet and for all of it, and must
 * end where TLS begins: whatever stands behind that was not said by the server, or not by an honest
 * one (CVE-2021-23214).
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
    STARTTLS_IN_MOST_BYTES = 32768, /* everything that the server says */
    STARTTLS_OUT_BYTES = 64,
    STARTTLS_WHY_BYTES = 240,
};

enum starttls_step {
    STARTTLS_WAITS, /* for more bytes of the server */
    STARTTLS_READY, /* TLS may begin, once `out` is sent */
    STARTTLS_FAILED /* `why` tells the reason */
};

struct starttls_talk {
    enum starttls kind;
    unsigned stage;
    bool offered; /* smtp: STARTTLS stood in the list */
    unsigned char in[STARTTLS_IN_BYTES];
    size_t in_length, in_total;
    unsigned char out[STARTTLS_OUT_BYTES]; /* to be sent; whoever sends it sets out_length to 0 */
    size_t out_length;
    char why[STARTTLS_WHY_BYTES];
};

/* starttls_begin - starts a talk anew; READY if there is none to be had */
enum starttls_step starttls_begin(struct starttls_talk *talk, enum starttls kind);

/* starttls_hear - goes on with what the server said; after READY or FAILED it is not called again
 */
enum starttls_step starttls_hear(struct starttls_talk *talk, const void *bytes, size_t length);

#endif
