/*
 * ca_watch - looks at the CA now and then, for all certificates of an issuer together
 *
 * One small request that needs no token: the issuer's revocation list tells who signs by now and
 * which serial numbers are revoked. Only when somebody finds there that the CA has changed, its
 * chain is asked for as well. What that means for a certificate is decided in ca_news; here is only
 * the asking.
 */
#ifndef LEAFD_FLOW_CA_WATCH_H
#define LEAFD_FLOW_CA_WATCH_H

#include "config/config.h"
#include "http/http_loop.h"
#include "pki/crl.h"

/* Which issuer: of a mount, by reference, or the default one if that is NULL. */
struct ca_place {
    const char *mount, *issuer;
};

struct ca_watch_listener {
    /* A list has come. Tells whether the chain is wanted, too. */
    bool (*on_list)(void *arg, const struct ca_place *place, struct crl *crl);
    /* The chain has come: the issuer's certificate and those above it, in PEM. */
    void (*on_chain)(void *arg, const struct ca_place *place, const char *pem);
    void *arg;
};

struct ca_watch;

/*
 * ca_watch_new - starts looking, every [agent] ca_poll seconds; not at once
 *
 * Borrows `http`, takes a reference of `config`. NULL with *err filled, class local.
 */
struct ca_watch *ca_watch_new(struct http_loop *http, struct config *config,
                              const struct ca_watch_listener *listener, struct err *err);

/* ca_watch_use - goes on with another configuration */
void ca_watch_use(struct ca_watch *watch, struct config *config);

/* ca_watch_free - ends it; NULL is fine */
void ca_watch_free(struct ca_watch *watch);

/* ca_place_of - where a section's certificates come from */
struct ca_place ca_place_of(const struct cert_config *cert);

/* ca_place_is - whether two places are the same */
bool ca_place_is(const struct ca_place *a, const struct ca_place *b);

#endif
