/*
 * path - the valid paths from a leaf to something that a peer may trust
 *
 * A CA that was replaced or cross-signed sends several certificates of one name: some have expired,
 * some lead nowhere. Verifiers look for any path that holds (RFC 4158), and so does this. The leaf
 * is of use as long as its path: a verifier checks the dates of every certificate on it.
 */
#ifndef LEAFD_PKI_PATH_H
#define LEAFD_PKI_PATH_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

#include <stdint.h>

enum { PATH_MOST_FOUND = 8 }; /* of a hostile reply the rest is not looked for */

struct path {
    STACK_OF(X509) * certificates; /* the leaf, then each one's issuer */
    uint64_t end_s;                /* the earliest notAfter of them all */
    uint64_t issuers_end_s;        /* the same without the leaf */
    bool is_anchored;              /* it ends at an anchor; where there are none: at a root */
};

/* Initialise with {0}, end with paths_free. The best one comes first, those that are anchored
 * before all others. */
struct paths {
    struct path items[PATH_MOST_FOUND];
    size_t count;
};

struct ca_cache;

struct path_order {
    X509 *leaf;
    STACK_OF(X509) * sent;    /* what came with it, in any order */
    STACK_OF(X509) * anchors; /* where a path must end; empty: at any top of what was sent */
    uint64_t at_s;            /* the moment for which validities are checked */
    unsigned usage;           /* of enum key_usage, which every CA on the path must permit */
    struct ca_cache *cache;   /* that issuers are out of; NULL: none */
};

/*
 * paths_find - every path that holds, the one that ends last first
 *
 * A path ends at an anchor, which need not be self-signed, or at a top: a self-signed certificate,
 * or one whose issuer was not sent. With anchors, paths to other tops are found as well, since they
 * help peers that trust those; but one must end at an anchor. Expired certificates are passed over.
 * The search is bounded. Borrows all of the order. Fails with class untrusted if no path holds,
 * and says why the most likely one does not; with class local without memory.
 */
bool paths_find(const struct path_order *order, struct paths *ret_paths, struct err *err);

/* paths_free - frees what was found; also the release for CLEANUP */
void paths_free(struct paths *paths);

/* path_first_to_end - of the leaf's issuers on a path, the one whose own life ends first */
X509 *path_first_to_end(const struct path *path);

/*
 * path_end_of_texts - the end of a leaf by what is on disk of its path
 *
 * The chain that is shown to peers and what they must trust, all as PEM, verified as of `at_s`. The
 * leaf's own notAfter where no path is found in them; 0 where the leaf cannot be read.
 */
uint64_t path_end_of_texts(const char *leaf_pem, const struct text_list *chain_pem,
                           const struct text_list *ca_pem, uint64_t at_s);

#endif
