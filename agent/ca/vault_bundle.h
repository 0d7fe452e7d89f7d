/*
 * vault_bundle - reads the issuers of a mount, and their revocation lists
 *
 * GET MOUNT/issuer/REF/json for the issuer that is named or the default one, and, if none is named,
 * LIST MOUNT/issuers and the same for each of them. If the section has a file with crl, GET
 * MOUNT/issuer/REF/crl for each, and for each issuer of crl_mounts. All of these are public: no
 * token is sent. What they say proves nothing; pki/bundle.h verifies it.
 */
#ifndef LEAFD_CA_VAULT_BUNDLE_H
#define LEAFD_CA_VAULT_BUNDLE_H

#include "ca/ca_kind.h"
#include "ca/vault_call.h"

/* What is told of each answer, for outages. */
struct vault_bundle_listener {
    void (*on_answer)(void *arg, uint64_t asked_us, const struct err *err);
    void *arg;
};

/*
 * vault_bundle_start - reads the issuers of the section's mount, and lists if it asks for them
 *
 * Each issuer becomes one text of ret_signed->issuers: its certificate, then its chain as the CA
 * names it. The one that the section names, or the default one, comes first. A mount that does not
 * list its issuers gives that one alone. An issuer that the CA cannot show is left out. Each list
 * becomes one text of ret_signed->lists; an issuer without one has none. Borrows client and
 * listener during the call only, and cert until the slot is dropped. *ret_signed belongs to the
 * caller, is {0} at the start and filled when on_done runs without an error. Fails as
 * vault_call_start; with class untrusted for a reply without a certificate; with class refused for
 * more than BUNDLE_MOST_ISSUERS or LISTS_MOST_BYTES.
 */
struct slot *vault_bundle_start(const struct vault_client *client, const struct cert_config *cert,
                                const struct vault_bundle_listener *listener,
                                struct ca_signed *ret_signed, slot_done *on_done, void *arg,
                                struct err *err);

#endif
