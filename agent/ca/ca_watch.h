/*
 * ca_watch - looks at the CA now and then, for all certificates of an issuer together
 *
 * Each look asks one small thing without a session, in turn: which issuer the CA names, and whether
 * our serial numbers were revoked. What that means for a certificate is decided in plan/ca_news;
 * here is only the asking, on a schedule that a new configuration does not begin anew. What a look
 * costs grows with the certificates of its place, not with all that there are.
 */
#ifndef LEAFD_CA_CA_WATCH_H
#define LEAFD_CA_CA_WATCH_H

#include "ca/ca_kind.h"
#include "config/config.h"
#include "http/http_loop.h"

#include <sys/queue.h>

struct ca_site;

/* A certificate that hears of its CA; lies in what it belongs to. {0} before and afterwards. */
struct ca_interest {
    struct ca_site *site; /* where its certificates come from; NULL: it hears of nothing */
    void *cert;
    TAILQ_ENTRY(ca_interest) entry;
};

/* What is asked of a certificate and told to it; `cert` is what it joined with. */
struct ca_watch_listener {
    /* The life of its certificates, in seconds; 0: not known. */
    uint64_t (*life_s)(const void *cert);
    /* The CA named an issuer. Tells whether that is to be confirmed soon. */
    bool (*on_issuer)(void *cert, const struct ca_named_issuer *named);
    /* Gives what is published; false if there is nothing to ask about. */
    bool (*give_own)(const void *cert, struct ca_own *ret_own);
    /* The CA says that it revoked what was given. */
    void (*on_revoked)(void *cert, const char *serial);
    /* Its issuer's revocation list has come, in PEM, for one that the CA has not stored. */
    void (*on_list)(void *cert, const char *serial, const char *pem);
};

struct ca_watch;

/*
 * ca_watch_new - a watch that looks at nothing yet
 *
 * Borrows `http`, takes a reference of `config`. NULL with *err filled, class local.
 */
struct ca_watch *ca_watch_new(struct http_loop *http, struct config *config,
                              const struct ca_watch_listener *listener, struct err *err);

/* ca_watch_use - goes on with another configuration; what was due stays due */
void ca_watch_use(struct ca_watch *watch, struct config *config);

/*
 * ca_watch_join - has the certificate hear of the CA that the section names
 *
 * It may hear of another one already. The first look is at a random moment of the first [agent]
 * ca_poll, then there is one in each. Fails with class local, and it hears of nothing then.
 */
bool ca_watch_join(struct ca_watch *watch, const struct cert_config *section, void *cert,
                   struct ca_interest *interest, struct err *err);

/* ca_watch_leave - it hears of nothing any more; {0} is fine */
void ca_watch_leave(struct ca_watch *watch, struct ca_interest *interest);

/* ca_watch_named - the key of the issuer that the last look for it named; "" not known */
const char *ca_watch_named(const struct ca_interest *interest);

/* ca_watch_free - ends it; everybody has left. NULL is fine */
void ca_watch_free(struct ca_watch *watch);

#endif
