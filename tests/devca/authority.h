/*
 * authority - a CA certificate with its key, and the CAs that devca has
 *
 * A root, the intermediates that signed or sign, newest last, and one CA apart from both for TLS:
 * of the server and of clients that log in by certificate. All are made at start and exist in
 * memory only. Rotation adds an intermediate and makes it the default one; the old ones go on
 * signing for whoever names them.
 */
#ifndef DEVCA_AUTHORITY_H
#define DEVCA_AUTHORITY_H

#include "draw.h"
#include "mint.h"

#include "base/arena.h"

#include <jansson.h>
#include <openssl/x509.h>

#include <stdbool.h>

struct authority {
    struct authority *next;
    const struct authority *parent; /* NULL: it signed itself */
    X509 *certificate;
    EVP_PKEY *key;
    bool may_sign; /* no: as if only its certificate had been imported */
    char id[UUID_BYTES], key_id[UUID_BYTES];
    const char *name, *pem, *serial;
    struct arena arena;
};

struct ca {
    struct authority *root;
    struct authority *issuers; /* the root, then the intermediates, oldest first */
    struct authority *current; /* the default issuer */
    struct authority *tls;
    unsigned intermediates, roots;
};

/* authority_new - takes `key`; lives until authority_free, its parent as long */
struct authority *authority_new(const char *common_name, EVP_PKEY *key,
                                const struct authority *parent);

/* authority_make - the same by a recipe of one's own, whose key it takes */
struct authority *authority_make(const struct recipe *recipe, const struct authority *parent);

/* authority_free - NULL is fine */
void authority_free(struct authority *authority);

/* authority_chain - itself and its parents as an array of PEM texts; `roots` includes the root */
json_t *authority_chain(const struct authority *authority, bool roots);

/* authority_key_identifier - its subject key identifier as aa:bb:cc, in the arena */
char *authority_key_identifier(struct arena *arena, const struct authority *authority);

/* ca_open - makes all of them */
void ca_open(struct ca *ca);

/* ca_rotate - adds an intermediate, the default one from now on; NULL takes a name with a number */
const struct authority *ca_rotate(struct ca *ca, const char *common_name);

/* ca_rotate_root - the same below a new root of that name, to which nothing leads */
const struct authority *ca_rotate_root(struct ca *ca, const char *root_name);

/* ca_step_over - the intermediate before the default one, or the last one, is the default from now
 * on: as if another node answered */
void ca_step_over(struct ca *ca);

/* ca_find - the issuer of that id or name, or the "default" one; NULL if there is none */
const struct authority *ca_find(const struct ca *ca, const char *reference);

/* ca_close - frees all of them */
void ca_close(struct ca *ca);

#endif
