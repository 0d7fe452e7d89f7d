/*
 * path - how long a leaf is of use: as long as its path
 *
 * A verifier checks the dates of every certificate on the path, so a leaf is worth nothing from the
 * moment at which the first of them ends.
 */
#ifndef LEAFD_PKI_PATH_H
#define LEAFD_PKI_PATH_H

#include "base/text.h"

#include <openssl/x509.h>

#include <stdint.h>

/* path_end_s - the earliest notAfter of a path's certificates; 0 if one of them cannot be read */
uint64_t path_end_s(STACK_OF(X509) * path);

/*
 * path_end_of_texts - the end of a leaf by what is on disk of its path
 *
 * The chain that is shown to peers and what they must trust, all as PEM, verified as of `at_s`. The
 * leaf's own notAfter where no path is found in them; 0 where the leaf cannot be read.
 */
uint64_t path_end_of_texts(const char *leaf_pem, const struct text_list *chain_pem,
                           const struct text_list *ca_pem, uint64_t at_s);

#endif
