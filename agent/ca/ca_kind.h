/*
 * ca_kind - the types that ca.h and the kind of CA behind it share
 *
 * They are independent of the kind: Vault's PKI fills them today, another kind would fill the same.
 */
#ifndef LEAFD_CA_CA_KIND_H
#define LEAFD_CA_CA_KIND_H

#include "base/text.h"
#include "pki/certificate.h"
#include "pki/vet.h"
#include "plan/terms.h"

#include <jansson.h>

/* The CA's reply to a CSR, or what it says of its issuers. Initialise with {0}, end with
 * ca_signed_free; its texts live in it. */
struct ca_signed {
    struct vet_reply parts;
    const char *private_key;   /* if the CA makes the key; else NULL */
    struct text_list issuers;  /* of ca_bundle_start: an issuer and its chain, as PEM, in each */
    bool leased;               /* the CA revokes the certificate when the session ends */
    const char *request_id;    /* "" if there is none */
    struct text_list lists;    /* likewise: revocation lists, as PEM */
    struct text_list warnings; /* the CA's own words, made printable */
    struct arena arena;
    json_t *json; /* owner of the texts in `parts` and `private_key` */
};

/* The CA's rules for one certificate; NULL where the CA does not describe them. */
struct ca_terms {
    const char *path; /* the CA's endpoint that signs it */
    bool may_sign;    /* the session may use that endpoint */
    struct text_list
        bypasses; /* endpoints by which the session could get any name, whatever the role allows */
    const struct mount_terms *mount;
    const struct role_terms *role;
    const char *issuer_ref; /* the issuer that the section names, or else the role */
    const struct issuer_terms *issuer;
    const struct identity_terms *identity; /* never NULL */
};

/* The issuer that a poll named. */
struct ca_named_issuer {
    const char *key;   /* as certificate_facts.subject_key */
    unsigned in_a_row; /* polls that named the same issuer */
    bool is_new;       /* another issuer than before, confirmed by this poll */
};

/* A published certificate whose revocation is polled. */
struct ca_own {
    char serial[SERIAL_TEXT_BYTES];
    char authority_key[KEY_IDENTIFIER_BYTES];
};

/* How the session with the CA changed. */
enum ca_session_change {
    CA_SESSION_OPEN,
    CA_SESSION_NOT_OPEN, /* a login failed: err says why */
    CA_SESSION_RENEWED,
    CA_SESSION_NOT_RENEWED, /* a renewal failed: err says why; the session still lives */
    CA_SESSION_REFUSED      /* the CA answered 403 to it: a login follows */
};

/* Called at every change; lease_s is the life of an open or renewed session, 0 without end. */
typedef void ca_session_listener(void *arg, enum ca_session_change change, uint64_t lease_s,
                                 const struct err *err);

#endif
