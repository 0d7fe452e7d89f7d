/*
 * vault_look - reads the public endpoints of the PKI engine about issuers and certificates
 *
 * They need no token, and do not prove who signs for a role. As in Vault 1.21 and OpenBao 2.6:
 *
 *   issuer   GET  MOUNT/issuer/REF/json   some 2 KB; REF is "default" where no issuer is pinned
 *   own      GET  MOUNT/cert/SERIAL       some 1.5 KB; 404 or 400 for one that is not stored
 *   issuers  LIST MOUNT/issuers
 *   list     GET  MOUNT/issuer/REF/crl
 *
 * For a certificate that the CA has not stored, the revocation list of the issuer that signed it is
 * read. One list covers every certificate of its issuer, so each poll fetches it at most once, and
 * less often if it is long.
 */
#ifndef LEAFD_CA_VAULT_LOOK_H
#define LEAFD_CA_VAULT_LOOK_H

#include "ca/ca_kind.h"
#include "ca/vault_call.h"
#include "pki/crl.h"

enum { VAULT_ISSUER_ID_BYTES = 64 };

/* The issuer that the CA names. */
struct vault_named {
    char key[KEY_IDENTIFIER_BYTES]; /* as certificate_facts.subject_key; "" if it is unchanged */
    bool is_unchanged;
    uint64_t date_s; /* the CA's time; 0: no Date header */
};

/*
 * vault_named_start - asks which issuer the CA names
 *
 * `issuer` is NULL for the default one. `since_s` is the CA's time of the last request, 0 for
 * never: a mount that passes If-Modified-Since answers 304 if the issuer is unchanged. Borrows all
 * arguments during the call only; *ret_named belongs to the caller. Fails as vault_call_start, and
 * with class untrusted for an invalid certificate or one that is not valid now.
 */
struct slot *vault_named_start(const struct vault_client *client, const char *mount,
                               const char *issuer, uint64_t since_s, struct vault_named *ret_named,
                               slot_done *on_done, void *arg, struct err *err);

/* Issuers of a mount whose lists are kept during a poll: the old and the new one, and some more. */
enum { VAULT_LISTS_MOST = 4 };

/* The state of a mount's revocation lists; {0} is empty. */
struct vault_lists {
    struct vault_list {
        char key[KEY_IDENTIFIER_BYTES]; /* of the issuer whose id is known */
        char id[VAULT_ISSUER_ID_BYTES];
        struct crl_shared *list; /* of that issuer, fetched in this poll; NULL: not yet */
    } items[VAULT_LISTS_MOST];
    unsigned oldest;        /* gives way to another issuer's */
    unsigned looks_without; /* still to come */
    bool is_skipped;        /* this poll fetches no list */
};

/* vault_lists_begin - begins a poll, which may have to skip the lists */
void vault_lists_begin(struct vault_lists *lists);

/* vault_lists_end - ends a poll: frees its lists */
void vault_lists_end(struct vault_lists *lists);

/* The CA's answer for a certificate. */
struct vault_own {
    bool is_revoked;
    struct crl_shared *list; /* its issuer's revocation list instead of an answer; valid until
                                vault_lists_end, or for whoever takes a share */
};

/*
 * vault_own_start - asks whether a certificate of the mount was revoked
 *
 * Borrows `lists` until the slot is dropped, the other arguments during the call only; *ret_own
 * belongs to the caller. Fails as vault_call_start; with class untrusted for a list of more than
 * two million bytes; with class refused for a certificate that the CA has not stored and whose
 * issuer it does not list.
 */
struct slot *vault_own_start(const struct vault_client *client, struct vault_lists *lists,
                             const char *mount, const struct ca_own *own, struct vault_own *ret_own,
                             slot_done *on_done, void *arg, struct err *err);

#endif
