/*
 * path - finds the valid paths from a leaf to a certificate that peers may trust
 *
 * After a CA was replaced or cross-signed, a reply holds several certificates with the same name,
 * some of them expired or without a valid issuer. As in other verifiers, any valid path is
 * sufficient (RFC 4158). A verifier checks the dates of every certificate on the path, so a leaf is
 * useful only until the first of them expires.
 */
#ifndef LEAFD_PKI_PATH_H
#define LEAFD_PKI_PATH_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

#include <stdint.h>

enum { PATH_MOST_FOUND = 8 }; /* limits the work on a hostile reply */

struct path {
    STACK_OF(X509) * certificates; /* the leaf, then each one's issuer */
    uint64_t end_s;                /* the earliest notAfter of all */
    uint64_t issuers_end_s;        /* likewise, without the leaf */
    bool is_anchored;              /* it ends at an anchor; if there are no anchors: at a root */
};

/* Initialise with {0}, free with paths_free. Anchored paths come first; of these and of the others,
 * the path that ends last. */
struct paths {
    struct path items[PATH_MOST_FOUND];
    size_t count;
};

struct ca_cache;

struct path_order {
    X509 *leaf;
    STACK_OF(X509) * sent;    /* received with it, in any order */
    STACK_OF(X509) * anchors; /* where a path must end; empty: at any top of `sent` */
    uint64_t at_s;            /* the time for which validities are checked, in seconds since 1970 */
    unsigned usage;           /* bits of enum key_usage that every CA on the path must permit */
    struct ca_cache *cache;   /* for the issuers; NULL: none */
};

/*
 * paths_find - finds every valid path; the best one is the first
 *
 * A path ends at an anchor, which need not be self-signed, or at a top: a self-signed certificate,
 * or one whose issuer was not sent. If there are anchors, at least one path must end at an anchor;
 * paths to other tops are found as well, since they help peers that trust those. Expired
 * certificates are skipped. The search is bounded. Borrows the order and all it points to. Fails
 * with class untrusted if no path is valid, and names the reason of the first one that was tried;
 * with class local if memory ran out. The caller ends *ret_paths with paths_free.
 */
bool paths_find(const struct path_order *order, struct paths *ret_paths, struct err *err);

/* paths_free - frees the paths; also the release for CLEANUP */
void paths_free(struct paths *paths);

/* path_first_to_end - the issuer on a path that expires first; belongs to the path */
X509 *path_first_to_end(const struct path *path);

/*
 * path_end_of_texts - the end of a published leaf: the earliest notAfter on its path
 *
 * All texts are PEM: the leaf, the published chain and the published CA certificates. Verifies as
 * of `at_s`. Gives the leaf's own notAfter if no path is valid, and 0 if the leaf cannot be read.
 * All times are seconds since 1970.
 */
uint64_t path_end_of_texts(const char *leaf_pem, const struct text_list *chain_pem,
                           const struct text_list *ca_pem, uint64_t at_s);

#endif
