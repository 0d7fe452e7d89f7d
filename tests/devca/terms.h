/*
 * terms - what a role makes of a request for a certificate
 *
 * Vault's generateCreationBundle: which names count, whether the role allows them, how long the
 * certificate may live, and the warnings about what was asked for in vain.
 */
#ifndef DEVCA_TERMS_H
#define DEVCA_TERMS_H

#include "csr.h"
#include "fields.h"
#include "roles.h"

#include <stdbool.h>
#include <stdint.h>

struct terms {
    struct asked asked;
    uint64_t ttl_s;
    bool without_roots; /* no root in ca_chain */
    bool pkcs8;         /* `issue`: the key in PKCS#8 */
    struct text_list warnings;
};

/*
 * terms_settle - reads the fields of a request and holds them against the role
 *
 * `csr` is NULL where the CA makes the key. Returns false with Vault's refusal in the reply. All
 * texts live in the arena of `fields`.
 */
bool terms_settle(const struct pki_role *role, const struct csr *csr, struct fields *fields,
                  struct terms *ret_terms, struct reply *reply);

#endif
