/*
 * ca - the only interface to the CA
 *
 * A certificate that is to be issued takes a turn and has its CSR signed. Logins, 403s, the number
 * of concurrent requests and redirects are handled by the kind of CA behind this interface, which
 * is Vault's PKI (vault_*). No file outside agent/ca/ names it.
 */
#ifndef LEAFD_CA_CA_H
#define LEAFD_CA_CA_H

#include "base/slot.h"
#include "base/worker.h"
#include "ca/ca_watch.h"
#include "config/config.h"
#include "http/http_loop.h"

struct ca;

/* Callbacks for news of the CA; NULL ones are not called. */
struct ca_listener {
    ca_session_listener *on_session;
    /*
     * An outage: no request gets an answer or a session. on_away is called once when it begins,
     * with the first failure, and again if it goes on after a change of [vault] or [auth]; on_back
     * is called once when it ends, with its length. A failure does not begin an outage if other
     * requests were answered meanwhile. Any answer of the CA itself ends it, unless the answer to a
     * login was the failure: then a login does. A failure of another class is another outage.
     */
    void (*on_away)(void *arg, const struct err *why);
    void (*on_back)(void *arg, uint64_t after_s);
    /* Whether anybody waits for the CA; while nobody does, a daemon asks it by itself whether the
     * outage has ended. NULL: somebody always does. */
    bool (*is_awaited)(void *arg);
    /*
     * Called after each check that ca_await_change asked for, so that failed certificates are
     * retried when credentials change. Returning false ends the checks.
     */
    bool (*on_credentials)(void *arg, bool changed);
    struct ca_watch_listener certs; /* of a daemon: news for certificates that have joined */
    void *arg;
};

/*
 * ca_open - prepares access to the CA; sends nothing yet
 *
 * Borrows `http` and `workers`, takes a reference of `config`. `stays` says that the process is a
 * daemon, which keeps its session alive. Fails with class local.
 */
bool ca_open(struct http_loop *http, struct workers *workers, struct config *config, bool stays,
             const struct ca_listener *listener, struct ca **ret_ca, struct err *err);

/* ca_use - applies another configuration; a changed [vault] or [auth] ends the session */
void ca_use(struct ca *ca, struct config *config);

/* ca_close - wipes the session and frees the CA; every slot of it has been dropped before. NULL is
 * fine */
void ca_close(struct ca *ca);

/*
 * ca_turn_start - waits until this certificate may be made
 *
 * Ends well with a permit and a session. The slot holds the permit, also after a failure: dropping
 * the slot gives it back. Fails as the login does; a login that failed for another certificate less
 * than `patience_ms` ago may be reported instead of a new try. Borrows `cert` during the call only.
 * NULL with *err filled if memory ran out.
 */
struct slot *ca_turn_start(struct ca *ca, const struct cert_config *cert, uint64_t patience_ms,
                           slot_done *on_done, void *arg, struct err *err);

/*
 * ca_turn_stamp - the stamp of the credentials when the turn's session was requested; "" before
 * that
 *
 * As ca_stamp. Borrowed from the turn.
 */
const char *ca_turn_stamp(const struct slot *slot);

/* ca_permit_start - the same without a session, for files that are rewritten without the CA */
struct slot *ca_permit_start(struct ca *ca, const struct cert_config *cert, slot_done *on_done,
                             void *arg, struct err *err);

/*
 * ca_sign_start - has a CSR signed, or, if `csr` is NULL, key and certificate made by the CA
 *
 * Needs a turn. A 403 may mean that the session has ended: then one fresh login and another try
 * follow, or a few if other certificates used up the session meanwhile. Borrows cert and csr until
 * the slot is dropped. *ret_signed belongs to the caller and is filled when on_done runs without an
 * error; vet checks it. Fails with the class of the CA's answer, as the login does, and with class
 * untrusted for a reply without a certificate. NULL with *err filled, class local.
 */
struct slot *ca_sign_start(struct ca *ca, const struct cert_config *cert, uint64_t patience_ms,
                           const char *csr, struct ca_signed *ret_signed, slot_done *on_done,
                           void *arg, struct err *err);

/*
 * ca_bundle_start - reads the issuers of the section's mount, and revocation lists, for [trust]
 *
 * Needs a permit, and no session. Borrows cert until the slot is dropped. *ret_signed belongs to
 * the caller and has `issuers` and `lists` when on_done runs without an error; pki/bundle.h
 * verifies them. Fails with the class of the CA's answer. NULL with *err filled, class local.
 */
struct slot *ca_bundle_start(struct ca *ca, const struct cert_config *cert,
                             struct ca_signed *ret_signed, slot_done *on_done, void *arg,
                             struct err *err);

/* ca_log_in_start - opens a session if there is none, for requests without a permit; fails as the
 * login does */
struct slot *ca_log_in_start(struct ca *ca, slot_done *on_done, void *arg, struct err *err);

/*
 * ca_revoke_start - revokes the certificate with that serial number
 *
 * Needs a session. `mount` is where it was issued. If the CA refuses the serial number, the
 * certificate itself, `pem`, is sent, since the CA may not have stored it. Revoking twice is fine.
 * Borrows the texts until the slot is dropped.
 */
struct slot *ca_revoke_start(struct ca *ca, const char *mount, const char *serial, const char *pem,
                             slot_done *on_done, void *arg, struct err *err);

/*
 * ca_describe_start - reads the CA's rules for this certificate of the configuration
 *
 * Needs a session. Rules that were read for one certificate are not read again for others; only one
 * call at a time. *ret_terms points to memory that lives until ca_close; it is filled as far as the
 * CA answered, also after a failure. A kind that cannot describe itself ends well with empty terms.
 * Borrows `cert` until the slot is dropped.
 */
struct slot *ca_describe_start(struct ca *ca, const struct cert_config *cert,
                               struct ca_terms *ret_terms, slot_done *on_done, void *arg,
                               struct err *err);

/*
 * ca_join - subscribes a certificate to news of its CA
 *
 * As ca_watch_join; does nothing if the process is no daemon, or `ca` is NULL. The certificate
 * calls ca_leave before it is freed.
 */
bool ca_join(struct ca *ca, const struct cert_config *section, void *cert,
             struct ca_interest *interest, struct err *err);

/* ca_leave - ends the subscription; {0} and NULL are fine */
void ca_leave(struct ca *ca, struct ca_interest *interest);

/* ca_issuer_key - the key of the issuer that the CA named for it last; "" not known */
const char *ca_issuer_key(const struct ca_interest *interest);

/* ca_signed_free - wipes the CA's reply; also the release for CLEANUP */
void ca_signed_free(struct ca_signed *signed_reply);

/* ca_is_away - whether there is an outage: no request had an answer or a session since the last
 * failure */
bool ca_is_away(const struct ca *ca);

/* ca_away_since_s - when the outage began, by the wall clock; 0: there is none */
uint64_t ca_away_since_s(const struct ca *ca);

/* ca_unreachable_since_s - likewise, if the CA does not answer; 0 as well if it denies the login,
 * or its TLS certificate is not trusted */
uint64_t ca_unreachable_since_s(const struct ca *ca);

/* ca_is_unanswered - whether a failure means that other requests would fail now as well */
bool ca_is_unanswered(const struct err *err);

/* ca_end_pause - the cause of the last failed login may be gone: the next login is not delayed */
void ca_end_pause(struct ca *ca);

/*
 * ca_stamp - a digest that changes with the configuration, the credential files and the CA file
 *
 * From the last check of the files' attributes, never of their content. "" if it could not be made,
 * or for NULL.
 */
const char *ca_stamp(const struct ca *ca);

/*
 * ca_await_change - compares the stamp every few seconds from now on with `asked_with`, an older
 * stamp
 *
 * Calls the listener's on_credentials. Does nothing if the process is no daemon, and for NULL.
 */
void ca_await_change(struct ca *ca, const char *asked_with);

/* ca_has_leases - whether certificates were leased with the current session, and end with it */
bool ca_has_leases(const struct ca *ca);

/*
 * ca_log_out_start - ends the session at the CA
 *
 * That of a login under way as well, when the CA has answered it. Ends within the timeout of
 * [vault], with class transient after that; ends well if there is no session, or if a certificate
 * was leased with it: the CA would revoke that certificate with the session.
 */
struct slot *ca_log_out_start(struct ca *ca, slot_done *on_done, void *arg, struct err *err);

#endif
