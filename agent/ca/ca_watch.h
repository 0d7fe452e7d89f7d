/*
 * ca_watch - polls the CA, for all certificates of an issuer together
 *
 * The polls need no session and alternate between two questions: which issuer the CA names, and
 * whether published certificates were revoked. plan/ca_news decides the consequences; this file
 * only polls, on a schedule that a new configuration does not restart. The cost of a poll grows
 * with the certificates of its place, not with all certificates.
 */
#ifndef LEAFD_CA_CA_WATCH_H
#define LEAFD_CA_CA_WATCH_H

#include "ca/ca_kind.h"
#include "config/config.h"
#include "http/http_loop.h"
#include "pki/crl.h"

#include <sys/queue.h>

struct ca_site;

/* A certificate's subscription, embedded in its owner. {0} before and afterwards. */
struct ca_interest {
    struct ca_site *site; /* where its certificates come from; NULL: not subscribed */
    void *cert;
    TAILQ_ENTRY(ca_interest) entry;
};

/* Callbacks of a certificate; `cert` is the argument of ca_watch_join. */
struct ca_watch_listener {
    /* Gives the lifetime of its certificates, in seconds; 0: not known. */
    uint64_t (*life_s)(const void *cert);
    /* The CA named an issuer. Returns whether to confirm that soon. */
    bool (*on_issuer)(void *cert, const struct ca_named_issuer *named);
    /* Gives the published certificate; false if there is none. */
    bool (*give_own)(const void *cert, struct ca_own *ret_own);
    /* The CA says that it revoked the certificate. */
    void (*on_revoked)(void *cert, const char *serial);
    /* The issuer's revocation list, for a certificate that the CA has not stored; borrowed: one who
     * needs it longer takes a share. */
    void (*on_list)(void *cert, const char *serial, struct crl_shared *list);
};

struct ca_watch;

/*
 * ca_watch_new - a watch without certificates
 *
 * Borrows `http`, takes a reference of `config`. NULL with *err filled, class local.
 */
struct ca_watch *ca_watch_new(struct http_loop *http, struct config *config,
                              const struct ca_watch_listener *listener, struct err *err);

/* ca_watch_use - applies another configuration; a poll that is due stays due */
void ca_watch_use(struct ca_watch *watch, struct config *config);

/*
 * ca_watch_join - subscribes the certificate to news of the CA that the section names
 *
 * A previous subscription ends. The first poll comes at a random moment of the first [agent]
 * ca_poll, then one in each. Fails with class local; then the certificate is not subscribed.
 */
bool ca_watch_join(struct ca_watch *watch, const struct cert_config *section, void *cert,
                   struct ca_interest *interest, struct err *err);

/* ca_watch_leave - ends the subscription; {0} is fine */
void ca_watch_leave(struct ca_watch *watch, struct ca_interest *interest);

/* ca_watch_named - the key of the issuer that the last poll named; "" not known */
const char *ca_watch_named(const struct ca_interest *interest);

/* ca_watch_free - frees the watch; every certificate has left. NULL is fine */
void ca_watch_free(struct ca_watch *watch);

#endif
