/*
 * ca - the one door to the CA
 *
 * Whoever wants a certificate takes a turn and has a CSR signed. How one logs in, what a 403 means,
 * how many requests are on their way and where they are redirected to is the matter of the kind of
 * CA behind the door, which is Vault's PKI (vault_*). Nothing outside agent/ca/ names it.
 */
#ifndef LEAFD_CA_CA_H
#define LEAFD_CA_CA_H

#include "base/slot.h"
#include "base/worker.h"
#include "ca/ca_watch.h"
#include "config/config.h"
#include "http/http_loop.h"

struct ca;

/* Who hears of the CA; what is NULL is not told. */
struct ca_listener {
    ca_session_listener *on_session;
    /*
     * Nobody gets an answer or a session any more. Told once when it begins, with the first
     * failure, and once when it ends, with the seconds that it took; told again where it goes on
     * with another [vault] or [auth]. A failure beside which others have had their answer begins
     * nothing, and whatever the CA itself answers ends it.
     */
    void (*on_away)(void *arg, const struct err *why);
    void (*on_back)(void *arg, uint64_t after_s);
    /*
     * Those that failed wait for credentials to change: told after each look that ca_await_change
     * wanted. False ends the looks.
     */
    bool (*on_credentials)(void *arg, bool changed);
    struct ca_watch_listener certs; /* of a process that stays: news for those that have joined */
    void *arg;
};

/*
 * ca_open - a CA that nobody has asked yet
 *
 * Borrows `http` and `workers`, takes a reference of `config`. `stays` says that the process is a
 * daemon, which keeps its session alive. Fails with class local.
 */
bool ca_open(struct http_loop *http, struct workers *workers, struct config *config, bool stays,
             const struct ca_listener *listener, struct ca **ret_ca, struct err *err);

/* ca_use - goes on with another configuration; a changed [vault] or [auth] ends the session */
void ca_use(struct ca *ca, struct config *config);

/* ca_close - ends it, wiping the session; every slot of it has been dropped before. NULL is fine */
void ca_close(struct ca *ca);

/*
 * ca_turn_start - waits until this certificate may be made
 *
 * Ends well when a permit and a session are there. The slot is the permit, also after a failure:
 * dropping it gives it back. Fails as the login does, maybe with the failure of a login of others
 * that is not tried again yet, though not for longer than `patience_ms` after it. Borrows `cert`
 * during the call only. NULL with *err filled if memory ran out.
 */
struct slot *ca_turn_start(struct ca *ca, const struct cert_config *cert, uint64_t patience_ms,
                           slot_done *on_done, void *arg, struct err *err);

/*
 * ca_turn_stamp - how the credentials looked when the turn's session was asked for; "" before that
 *
 * As ca_stamp. Borrowed from the turn.
 */
const char *ca_turn_stamp(const struct slot *slot);

/* ca_permit_start - the same without a session, for what is written anew without the CA */
struct slot *ca_permit_start(struct ca *ca, const struct cert_config *cert, slot_done *on_done,
                             void *arg, struct err *err);

/*
 * ca_sign_start - has a CSR signed, or, if `csr` is NULL, key and certificate made by the CA
 *
 * For the holder of a turn. A 403 may mean that the session is over: there is one fresh login then
 * and another try, or a few where others used the session up meanwhile. Borrows cert and csr until
 * the slot is dropped. *ret_signed belongs to the caller and is filled when on_done runs without an
 * error; whether it is any good is for vet. Fails by the class of the CA's answer, as the login
 * does, and with class untrusted for a reply without a certificate. NULL with *err filled, class
 * local.
 */
struct slot *ca_sign_start(struct ca *ca, const struct cert_config *cert, uint64_t patience_ms,
                           const char *csr, struct ca_signed *ret_signed, slot_done *on_done,
                           void *arg, struct err *err);

/* ca_log_in_start - sees to it that there is a session, for what needs no permit; fails as the
 * login does */
struct slot *ca_log_in_start(struct ca *ca, slot_done *on_done, void *arg, struct err *err);

/*
 * ca_revoke_start - takes back the certificate of that serial number
 *
 * There is a session. `mount` is where it was issued. The certificate itself, `pem`, is sent where
 * the CA refuses the serial number, since it need not have stored it. Revoking twice is fine.
 * Borrows the texts until the slot is dropped.
 */
struct slot *ca_revoke_start(struct ca *ca, const char *mount, const char *serial, const char *pem,
                             slot_done *on_done, void *arg, struct err *err);

/*
 * ca_describe_start - reads what the CA lays down for this certificate, one of the configuration
 *
 * There is a session. What was read for one certificate is not asked again for others; one question
 * at a time. What *ret_terms points to lives until ca_close; it is filled as far as the CA was
 * asked, also after a failure. Borrows `cert` until the slot is dropped.
 */
struct slot *ca_describe_start(struct ca *ca, const struct cert_config *cert,
                               struct ca_terms *ret_terms, slot_done *on_done, void *arg,
                               struct err *err);

/*
 * ca_join - has a certificate hear what becomes of its CA
 *
 * As ca_watch_join; nothing where the process does not stay, or there is no CA (NULL). It leaves
 * before it goes.
 */
bool ca_join(struct ca *ca, const struct cert_config *section, void *cert,
             struct ca_interest *interest, struct err *err);

/* ca_leave - it hears of nothing any more; {0} and NULL are fine */
void ca_leave(struct ca *ca, struct ca_interest *interest);

/* ca_issuer_key - the key of the issuer that the CA named for it last; "" not known */
const char *ca_issuer_key(const struct ca_interest *interest);

/* ca_signed_free - wipes what the CA sent; also the release for CLEANUP */
void ca_signed_free(struct ca_signed *signed_reply);

/* ca_is_away - whether nobody has had an answer, or a session, since the last failure */
bool ca_is_away(const struct ca *ca);

/* ca_is_unanswered - whether a failure tells that whoever else asks now would fare no better */
bool ca_is_unanswered(const struct err *err);

/* ca_end_pause - what kept the last login from working may be over: the next one is not put off */
void ca_end_pause(struct ca *ca);

/*
 * ca_stamp - changes when what the CA is asked with changes: configuration, credentials, CA file
 *
 * By the last look at the files, never by their content. "" if it could not be made, or for NULL.
 */
const char *ca_stamp(const struct ca *ca);

/*
 * ca_await_change - looks every few seconds from now on for what differs from `asked_with`, a stamp
 *
 * The listener's on_credentials hears of it. Nothing in a process that does not stay, and for NULL.
 */
void ca_await_change(struct ca *ca, const char *asked_with);

/* ca_has_leases - whether certificates end with the session that there is */
bool ca_has_leases(const struct ca *ca);

/*
 * ca_log_out_start - ends the session at the CA
 *
 * NULL with err->kind ERR_NONE if there is none, or one with which a certificate was leased: that
 * would be revoked with it.
 */
struct slot *ca_log_out_start(struct ca *ca, slot_done *on_done, void *arg, struct err *err);

#endif
