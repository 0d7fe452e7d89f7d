/*
 * cert_request - the properties of a requested certificate
 *
 * The configuration fills a request, the CSR carries it, vet compares the CA's reply with it, and
 * the set on disk is compared with it. It is in base/ so that these do not depend on each other.
 */
#ifndef LEAFD_BASE_CERT_REQUEST_H
#define LEAFD_BASE_CERT_REQUEST_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum key_type {
    KEY_ECDSA_P256,
    KEY_ECDSA_P384,
    KEY_ECDSA_P521,
    KEY_RSA_2048,
    KEY_RSA_3072,
    KEY_RSA_4096,
    KEY_ED25519,
    KEY_TYPE_COUNT
};

/* The uses that the extended key usage must permit; bits. */
enum key_usage { USAGE_SERVER = 1, USAGE_CLIENT = 2 };

/* The names in a certificate. DNS names and mail domains are A-labels (RFC 5890); IP addresses are
 * as inet_ntop(3) writes them, so that equal addresses are equal texts. */
struct names {
    const char *common_name; /* NULL: none */
    struct text_list dns, ip, uri, email;
    /* The other attributes of the subject: TYPE=VALUE, such as "O=Example". Of a certificate they
     * include further common names. */
    struct text_list subject;
};

/* When a certificate is renewed. */
struct renewal_rule {
    unsigned from_percent, to_percent; /* a window of its lifetime; both 0: the default window */
    uint64_t before_s;                 /* or this long before it expires; 0: use the window */
};

struct cert_request {
    struct names names;
    enum key_type key_type;
    unsigned usage; /* of enum key_usage; 0: any */
    uint64_t ttl_s; /* 0: the default of the CA's role */
};

/* The configuration's words for the key types, in the order of the enum, then NULL. */
extern const char *const key_type_words[KEY_TYPE_COUNT + 1];

/* names_equal - whether both have the same names, in any order */
bool names_equal(const struct names *a, const struct names *b);

/* names_missing_san - the first alternative name of `wanted` that `got` lacks as a name of the same
 * kind; NULL if none */
const char *names_missing_san(const struct names *wanted, const struct names *got);

/*
 * names_missing_any - the first name of `wanted` that `got` lacks as a name of any kind; or NULL
 *
 * The common name counts as any other name, the rest of the subject does not.
 */
const char *names_missing_any(const struct names *wanted, const struct names *got);

/* names_text - all names of a certificate, each once, separated by spaces; NULL if memory ran out
 */
const char *names_text(const struct names *names, struct arena *arena);

/* names_count - how many subject alternative names there are */
size_t names_count(const struct names *names);

#endif
