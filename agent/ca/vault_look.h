/*
 * vault_look - what everybody may ask of the PKI engine about issuers and certificates
 *
 * None of it needs a token, and none of it proves who signs for a role. As Vault 1.21 and OpenBao
 * 2.6 answer:
 *
 *   issuer   GET  MOUNT/issuer/REF/json   some 2 KB; REF is "default" where no issuer is pinned
 *   own      GET  MOUNT/cert/SERIAL       some 1.5 KB; 404 or 400 for one that is not stored
 *   issuers  LIST MOUNT/issuers
 *   list     GET  MOUNT/issuer/REF/crl
 *
 * A certificate that the CA has not stored is looked for on the revocation list of the issuer that
 * signed it. One list tells about every certificate of its issuer, so each look fetches it once,
 * and seldom if it is long.
 */
#ifndef LEAFD_CA_VAULT_LOOK_H
#define LEAFD_CA_VAULT_LOOK_H

#include "ca/ca_kind.h"
#include "ca/vault_call.h"

enum { VAULT_ISSUER_ID_BYTES = 64 };

/* Whom the CA names as issuer. */
struct vault_named {
    char key[KEY_IDENTIFIER_BYTES]; /* as certificate_facts.subject_key; "" if it is unchanged */
    bool is_unchanged;
    uint64_t date_s; /* the CA's time; 0: not told */
};

/*
 * vault_named_start - asks which issuer the CA names
 *
 * `issuer` is NULL for the default one. `since_s` is the CA's time at which it was asked last, 0
 * for never: a mount that lets If-Modified-Since through answers with nothing if it is still the
 * same. Borrows all during the call only; *ret_named belongs to the caller. Fails as
 * vault_call_start, and with class untrusted for a certificate that is none or not valid now.
 */
struct slot *vault_named_start(const struct vault_client *client, const char *mount,
                               const char *issuer, uint64_t since_s, struct vault_named *ret_named,
                               slot_done *on_done, void *arg, struct err *err);

/* What is known of a mount's revocation lists; {0} is nothing. */
struct vault_lists {
    char key[KEY_IDENTIFIER_BYTES]; /* of the issuer whose id is known */
    char id[VAULT_ISSUER_ID_BYTES];
    struct vault_reply list; /* of that issuer, fetched in this look */
    unsigned looks_without;  /* still to come */
    bool is_skipped;         /* this look does without */
};

/* vault_lists_begin - a look begins, which may have to do without lists */
void vault_lists_begin(struct vault_lists *lists);

/* vault_lists_end - the look has ended: its lists are freed */
void vault_lists_end(struct vault_lists *lists);

/* What the CA says of a certificate. */
struct vault_own {
    bool is_revoked;
    const char *list; /* its issuer's revocation list, which tells; PEM, until vault_lists_end */
};

/*
 * vault_own_start - asks whether a certificate of the mount was revoked
 *
 * Borrows `lists` until the slot is dropped, all else during the call only; *ret_own belongs to the
 * caller. Fails as vault_call_start; with class untrusted for a list of more than two million
 * bytes; with class refused for a certificate that the CA has not stored and whose issuer it does
 * not list.
 */
struct slot *vault_own_start(const struct vault_client *client, struct vault_lists *lists,
                             const char *mount, const struct ca_own *own, struct vault_own *ret_own,
                             slot_done *on_done, void *arg, struct err *err);

#endif
