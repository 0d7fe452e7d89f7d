/*
 * ca_watch - looks at the CA now and then, for all certificates of an issuer together
 *
 * Each look asks one small thing without a token, in turn: which issuer the CA names, and whether
 * our serial numbers were revoked. A certificate that the CA has not stored is looked for on the
 * revocation list of the issuer that signed it, seldom if the list is long. What that means for a
 * certificate is decided in plan/ca_news; here is only the asking, on a schedule that a new
 * configuration does not begin anew.
 */
#ifndef LEAFD_CA_CA_WATCH_H
#define LEAFD_CA_CA_WATCH_H

#include "config/config.h"
#include "http/http_loop.h"
#include "pki/certificate.h"

/* Which issuer: of a mount, by reference, or the default one if that is NULL. */
struct ca_place {
    const char *mount, *issuer;
};

/* Whom a look named. */
struct ca_named {
    const char *key;   /* as certificate_facts.subject_key */
    unsigned in_a_row; /* looks that named the same */
    bool is_new;       /* another one than before, as of now for certain */
};

/* A certificate of ours whose revocation is to be asked about. */
struct ca_own {
    char serial[SERIAL_TEXT_BYTES];
    char authority_key[KEY_IDENTIFIER_BYTES];
};

struct ca_watch_listener {
    /* The shortest life of a place's certificates, in seconds; 0: not known. */
    uint64_t (*life_s)(void *arg, const struct ca_place *place);
    /* The CA named an issuer. Tells whether that is to be confirmed soon. */
    bool (*on_issuer)(void *arg, const struct ca_place *place, const struct ca_named *named);
    /* Gives the published certificate of that number at the place; false behind the last one. */
    bool (*give_own)(void *arg, const struct ca_place *place, size_t number,
                     struct ca_own *ret_own);
    /* The CA says that it revoked it. */
    void (*on_revoked)(void *arg, const struct ca_own *own);
    /* Its issuer's revocation list has come, in PEM, for one that the CA has not stored. */
    void (*on_list)(void *arg, const struct ca_own *own, const char *pem);
    void *arg;
};

struct ca_watch;

/*
 * ca_watch_new - starts looking, at a random moment of the first [agent] ca_poll, then once in each
 *
 * Borrows `http`, takes a reference of `config`. NULL with *err filled, class local.
 */
struct ca_watch *ca_watch_new(struct http_loop *http, struct config *config,
                              const struct ca_watch_listener *listener, struct err *err);

/* ca_watch_use - goes on with another configuration; what was due stays due */
bool ca_watch_use(struct ca_watch *watch, struct config *config, struct err *err);

/* ca_watch_named - the key of the issuer that the last look at the place named; "" not known, or
 * no watch */
const char *ca_watch_named(const struct ca_watch *watch, const struct ca_place *place);

/* ca_watch_free - ends it; NULL is fine */
void ca_watch_free(struct ca_watch *watch);

/* ca_place_of - where a section's certificates come from */
struct ca_place ca_place_of(const struct cert_config *cert);

/* ca_place_is - whether two places are the same */
bool ca_place_is(const struct ca_place *a, const struct ca_place *b);

#endif
