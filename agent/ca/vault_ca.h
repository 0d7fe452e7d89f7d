/*
 * vault_ca - what everybody may ask about an issuer and its certificates
 *
 * None of it needs a token, and none of it proves who signs for a role. REF is "default" where the
 * operator pins no issuer. Replies as Vault 1.21 and OpenBao 2.6 send them.
 */
#ifndef LEAFD_CA_VAULT_CA_H
#define LEAFD_CA_VAULT_CA_H

#include "ca/vault_call.h"

/*
 * vault_ca_issuer_start - asks for an issuer: GET MOUNT/issuer/REF/json, some 2 KB
 *
 * `issuer` is NULL for the default one. `since_s` is the CA's time at which it was asked last, 0
 * for never: a mount that lets If-Modified-Since through answers 304 with nothing if it is still
 * the same. Borrows all during the call only; *ret_reply belongs to the caller. Failures as
 * vault_call_start.
 */
struct slot *vault_ca_issuer_start(const struct vault_client *client, const char *mount,
                                   const char *issuer, uint64_t since_s,
                                   struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                   struct err *err);

/* vault_ca_certificate - the certificate in the reply as PEM, which lives in it; NULL if there is
 * none */
const char *vault_ca_certificate(const struct vault_reply *reply);

/* vault_ca_own_start - asks for a certificate by its serial number: GET MOUNT/cert/SERIAL, some
 * 1.5 KB; status 404 or 400 for one that the CA has not stored */
struct slot *vault_ca_own_start(const struct vault_client *client, const char *mount,
                                const char *serial, struct vault_reply *ret_reply,
                                slot_done *on_done, void *arg, struct err *err);

/* vault_ca_is_revoked - whether that reply says that it was revoked */
bool vault_ca_is_revoked(const struct vault_reply *reply);

/* vault_ca_issuers_start - asks for the ids of all issuers: LIST MOUNT/issuers */
struct slot *vault_ca_issuers_start(const struct vault_client *client, const char *mount,
                                    struct vault_reply *ret_reply, slot_done *on_done, void *arg,
                                    struct err *err);

/* vault_ca_issuer_id - the id at that place of that reply; NULL behind the last one */
const char *vault_ca_issuer_id(const struct vault_reply *reply, size_t index);

/*
 * vault_ca_list_start - asks for an issuer's revocation list: GET MOUNT/issuer/REF/crl
 *
 * Fails with class untrusted for one of more than two million bytes, as vault_call_start otherwise.
 */
struct slot *vault_ca_list_start(const struct vault_client *client, const char *mount,
                                 const char *issuer, struct vault_reply *ret_reply,
                                 slot_done *on_done, void *arg, struct err *err);

/* vault_ca_list - the list as PEM, which lives in the reply; NULL if there is none */
const char *vault_ca_list(const struct vault_reply *reply);

#endif
