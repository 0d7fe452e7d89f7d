/*
 * vet - is what the CA sent what we asked for?
 *
 * Every rule stands in one table in vet.c, and every rule must pass before a byte reaches the disk:
 * the certificate is one, is signed for our key, carries the names that were asked for and no
 * others, is valid or soon will be, is no CA, may be used for what it is needed for, and hangs on a
 * chain whose signatures hold, up to the trust anchor if one is configured.
 */
#ifndef LEAFD_PKI_VET_H
#define LEAFD_PKI_VET_H

#include "base/arena.h"
#include "base/cert_request.h"
#include "base/secret.h"
#include "base/text.h"
#include "pki/certificate.h"

#include <openssl/types.h>

/* -- what the CA gave -----------------------------------------------------------------------------
 *
 * Checked and in order: what a generation is made of. Every certificate in it was parsed and
 * written out again as PEM by us, so that nothing that came over the network reaches a file byte
 * for byte.
 */

/* A CA certificate that peers had to trust before, as PEM. */
struct old_ca {
    const char *pem;
    uint64_t last_current_s; /* when it was still what our certificates hang on */
    uint64_t not_after_s;
    bool is_announced; /* not yet: one that waits to be shown hangs on it */
};

/* Initialise with {0}, end with issued_free. PEM texts end with a line break. */
struct issued {
    struct arena arena;
    struct secret key_pem; /* PKCS#8 */
    const char *leaf_pem;
    struct text_list chain_pem; /* intermediates of the paths that hold, the best path's first */
    struct text_list ca_pem;    /* what a peer must trust */
    struct old_ca *old_cas;     /* and what it goes on trusting for a while */
    size_t old_ca_count;
    struct certificate_facts leaf; /* of leaf_pem */
    uint64_t end_s;           /* when it stops being of use: the earliest notAfter on its path */
    uint64_t issuers_end_s;   /* the same of its issuers alone; 0: not known */
    const char *first_to_end; /* the name of the one of them that ends then, RFC 2253 */
    uint64_t soonest_end_s;   /* of the published paths, when the first one ends */
    const char *odd_subject;  /* what differs in the subject from what was asked; "" nothing */
    uint64_t issued_s;        /* when, by our clock */
    const char *request_id;   /* of the CA's reply; "" if it gave none */
};

/* issued_free - wipes the key and frees all; also the release for CLEANUP */
void issued_free(struct issued *issued);

/* What the CA sent, as PEM texts; a text that was not sent is NULL. */
struct vet_reply {
    const char *certificate, *issuing_ca;
    struct text_list ca_chain;
};

struct ca_cache;

struct vet_order {
    const struct cert_request *request;
    EVP_PKEY *key;            /* the key that the certificate must be for */
    const char *trust_anchor; /* file of certificates in which the chain must end; NULL: any top */
    const char *current_serial; /* of the generation that is published; NULL: none */
    uint64_t now_s;
    struct ca_cache *cache; /* NULL: none */
};

enum { VET_LEAST_REMAINING_S = 5 }; /* a certificate that ends sooner is as good as expired */

/* vet_lasts - whether what stops being of use at `end_s` does not end at once */
bool vet_lasts(uint64_t end_s, uint64_t now_s);

/*
 * vet - checks the reply and makes the issued set of it
 *
 * Fills all of *ret_issued but issued_s and request_id; the key in it is `order->key` as PKCS#8. A
 * notBefore in the future passes: whoever publishes waits for it. Fails with class untrusted and
 * says which rule broke and what to look at; with class refused where the role is what gives other
 * names, another type of key or another usage than was asked for; with class local if a file or
 * memory is missing. On failure *ret_issued is empty.
 */
bool vet(const struct vet_order *order, const struct vet_reply *reply, struct issued *ret_issued,
         struct err *err);

#endif
