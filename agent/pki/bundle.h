/*
 * bundle - what a CA says of itself, as far as it ends at a trust anchor
 *
 * A [trust] section has no certificate of its own. Its set holds the trust anchors, and the CA
 * certificates on every path from an issuer of the mount to one of them. What does not end at an
 * anchor is left out, whatever the CA says.
 */
#ifndef LEAFD_PKI_BUNDLE_H
#define LEAFD_PKI_BUNDLE_H

#include "pki/vet.h"

enum { BUNDLE_MOST_ISSUERS = 64 };

struct bundle_order {
    const char
        *trust_anchor; /* path of a PEM file with the certificates at which a path must end */
    uint64_t now_s;
    struct ca_cache *cache;        /* NULL: none */
    const struct text_list *lists; /* revocation lists as PEM; NULL: none are wanted */
    const char *crl_file;          /* path of a PEM file with further ones; NULL: none */
};

/*
 * bundle_vet - verifies the issuers and makes the issued set from them
 *
 * Each of `issuers` is a PEM text: an issuer's certificate, then its chain. The first issuer with a
 * valid path takes the place of the leaf in *ret_issued: the end of the set is that of its path.
 * ca_pem holds the anchors that are valid now, then the rest; there is no key and no chain_pem.
 * left_out names the first issuer that was left out, and why.
 * If lists are wanted, crl_pem holds them, complete for the path of that issuer (pki/lists.h), and
 * the set ends with the first of them. issued_s and request_id are not set. Reads the trust_anchor
 * file and crl_file, so call it on a worker. Fails with class untrusted if no issuer has a valid
 * path; with class refused for more than CHAIN_MOST_CERTIFICATES, or a missing list; with class
 * local for an unreadable trust_anchor file or if memory ran out. On failure *ret_issued is empty.
 */
bool bundle_vet(const struct bundle_order *order, const struct text_list *issuers,
                struct issued *ret_issued, struct err *err);

#endif
