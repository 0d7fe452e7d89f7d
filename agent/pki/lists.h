/*
 * lists - the revocation lists that a verifier of a whole path needs
 *
 * nginx, HAProxy and PostgreSQL check every certificate of a path, its root too. They refuse every
 * peer as soon as the list of one CA is missing or has ended. So a set of lists is complete, or it
 * is none.
 */
#ifndef LEAFD_PKI_LISTS_H
#define LEAFD_PKI_LISTS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

#include <stdint.h>

/* The limit of all lists of a set: some 40,000 revoked certificates. */
enum { LISTS_MOST_BYTES = 2 * 1024 * 1024 };

struct lists_order {
    STACK_OF(X509) * required;     /* CAs that must have a list, in the order of the result */
    STACK_OF(X509) * others;       /* CAs whose lists are added if there are any */
    const struct text_list *given; /* lists as PEM, one or several in a text, of any signer */
    uint64_t now_s;
};

/*
 * lists_choose - the valid lists of these CAs
 *
 * A list is one of a CA if that CA is its issuer and has signed it; it counts from its thisUpdate
 * to its nextUpdate. The latest one of a CA is taken. Delta lists are ignored. Adds each chosen
 * list as PEM to `ret_pem`, in `arena`; *ret_end_s is the earliest nextUpdate, in seconds since
 * 1970, and *ret_without names one of `others` without a list, RFC 2253; "": none. Fails with class
 * refused if a required CA has no valid list, and says why and what to do; with class untrusted if
 * a text holds no list; with class local if memory ran out.
 */
bool lists_choose(const struct lists_order *order, struct arena *arena, struct text_list *ret_pem,
                  uint64_t *ret_end_s, const char **ret_without, struct err *err);

#endif
