/*
 * issued - what the CA gave, checked and in order: what a generation is made of
 *
 * Every certificate in it was parsed and written out again as PEM by us, so that nothing that came
 * over the network reaches a file byte for byte.
 */
#ifndef LEAFD_PKI_ISSUED_H
#define LEAFD_PKI_ISSUED_H

#include "base/arena.h"
#include "base/secret.h"
#include "base/text.h"
#include "pki/certificate.h"

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

#endif
