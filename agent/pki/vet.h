/*
 * vet - checks whether the CA's reply is what was requested
 *
 * The rules are one table in vet.c. All must pass before anything is written to disk: the
 * certificate is for our key; it holds the requested names and no others; it is valid now, or will
 * be within a day; it is no CA certificate; it permits the requested usage; and it has a valid
 * path, up to the trust anchor if one is configured.
 */
#ifndef LEAFD_PKI_VET_H
#define LEAFD_PKI_VET_H

#include "base/arena.h"
#include "base/cert_request.h"
#include "base/secret.h"
#include "base/text.h"
#include "pki/certificate.h"

#include <openssl/types.h>

/* -- the issued set -------------------------------------------------------------------------------
 *
 * The checked reply, from which a generation is made. Every certificate was parsed and encoded
 * again by leafd, so that no received bytes are written to a file.
 */

/* A CA certificate that was published before and stays in the trust bundle for a while. */
struct old_ca {
    const char *pem;
    uint64_t last_current_s; /* when it was last a CA certificate of the published leaf, in seconds
                                since 1970 */
    uint64_t not_after_s;
    bool is_announced; /* not used yet: the CA of a leaf that is held until peers trust it */
};

/* Initialise with {0}, free with issued_free. PEM texts end with a line break. Times are seconds
 * since 1970. */
struct issued {
    struct arena arena;
    struct secret key_pem;      /* PKCS#8 */
    const char *leaf_pem;       /* of a [trust] section: the issuer that stands for the set */
    struct text_list chain_pem; /* intermediates of all valid paths, those of the best path first */
    struct text_list ca_pem;    /* CA certificates that peers must trust */
    struct text_list crl_pem;   /* of a [trust] section: the revocation lists of these */
    struct old_ca *old_cas;     /* former ones that stay for a while */
    size_t old_ca_count;
    struct certificate_facts leaf; /* of leaf_pem */
    uint64_t end_s;                /* the end of the set: the earliest notAfter on its path */
    uint64_t issuers_end_s;        /* likewise, of the issuers alone; 0: not known */
    const char *first_to_end;      /* the issuer that expires first, RFC 2253 */
    uint64_t soonest_end_s;        /* the earliest end of all published paths */
    const char *odd_subject; /* how the subject differs from the requested one; "": it does not */
    const char *left_out; /* of a [trust] section: an issuer that is left out, and why; "" or NULL:
                             none */
    uint64_t issued_s;    /* when it was issued, by our clock */
    const char *request_id; /* from the CA's reply; "": none */
};

/* issued_free - wipes the key and frees the set; also the release for CLEANUP */
void issued_free(struct issued *issued);

/* The CA's reply: PEM texts, NULL if not sent. */
struct vet_reply {
    const char *certificate, *issuing_ca;
    struct text_list ca_chain;
};

struct ca_cache;

struct vet_order {
    const struct cert_request *request;
    EVP_PKEY *key;            /* the key that was requested to be certified */
    const char *trust_anchor; /* path of a PEM file with the certificates at which a path must end;
                                 NULL: any top */
    const char *current_serial; /* of the published generation; NULL: none */
    uint64_t now_s;
    struct ca_cache *cache; /* NULL: none */
};

enum { VET_LEAST_REMAINING_S = 5 }; /* a certificate that ends sooner is refused as expired */

/* vet_lasts - whether at least VET_LEAST_REMAINING_S remain until `end_s` */
bool vet_lasts(uint64_t end_s, uint64_t now_s);

/*
 * vet - checks the reply and makes the issued set from it
 *
 * Fills *ret_issued except issued_s and request_id; its key is `order->key` as PKCS#8. A notBefore
 * up to a day in the future passes: such a set is held until then. Reads the trust_anchor file, so
 * call it on a worker. Fails with class untrusted for a wrong reply, and says which rule failed and
 * what to check; with class refused if the role is the cause (other names, key type or usage than
 * requested); with class local for an unreadable trust_anchor file or if memory ran out. On failure
 * *ret_issued is empty.
 */
bool vet(const struct vet_order *order, const struct vet_reply *reply, struct issued *ret_issued,
         struct err *err);

#endif
