/*
 * ca_kind - what the door (ca.h) and the kind of CA behind it share
 *
 * Nothing here is of one kind: Vault's PKI fills it today, another kind would fill the same.
 */
#ifndef LEAFD_CA_CA_KIND_H
#define LEAFD_CA_CA_KIND_H

#include "base/text.h"
#include "pki/certificate.h"
#include "pki/vet.h"
#include "plan/terms.h"

#include <jansson.h>

/* What a CA sent for a CSR. Initialise with {0}, end with ca_signed_free; its texts live in it. */
struct ca_signed {
    struct vet_reply parts;
    const char *private_key;   /* where the CA makes the key; NULL elsewhere */
    bool leased;               /* the certificate is revoked when the session ends */
    const char *request_id;    /* "" if there is none */
    struct text_list warnings; /* the CA's own words, made printable */
    struct arena arena;
    json_t *json; /* into which `parts` and `private_key` point */
};

/* What a CA tells of what one certificate asks of it; what is not told is NULL. */
struct ca_terms {
    const char *path;          /* what signs it, in the CA's words */
    bool may_sign;             /* the session may use that */
    struct text_list bypasses; /* by which the session may have any name, whatever the role says */
    const struct mount_terms *mount;
    const struct role_terms *role;
    const char *issuer_ref; /* the issuer that the section names, or else the role */
    const struct issuer_terms *issuer;
    const struct identity_terms *identity; /* never NULL */
};

/* Whom a look named as issuer. */
struct ca_named_issuer {
    const char *key;   /* as certificate_facts.subject_key */
    unsigned in_a_row; /* looks that named the same */
    bool is_new;       /* another one than before, as of now for certain */
};

/* A certificate of ours whose revocation is to be asked about. */
struct ca_own {
    char serial[SERIAL_TEXT_BYTES];
    char authority_key[KEY_IDENTIFIER_BYTES];
};

/* What becomes of the session with the CA. */
enum ca_session_change {
    CA_SESSION_OPEN,
    CA_SESSION_NOT_OPEN, /* a login failed: err says why */
    CA_SESSION_RENEWED,
    CA_SESSION_NOT_RENEWED, /* a renewal failed: err says why; the session goes on for now */
    CA_SESSION_REFUSED      /* the CA said 403 to it: a login follows */
};

/* Told at every change; lease_s is how long an open or renewed session lives, 0 for ever. */
typedef void ca_session_listener(void *arg, enum ca_session_change change, uint64_t lease_s,
                                 const struct err *err);

#endif
