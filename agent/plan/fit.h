/*
 * fit - whether the CA's mount, role and issuer give what a section asks for
 *
 * For `leafd check --online`. The rules are those of the PKI engine of Vault and OpenBao
 * (builtin/logical/pki: cert_util.go, validateNames, generateCreationBundle, signCert), held
 * against what a section would send, and then against what the vetting of the reply would refuse.
 * Nothing is asked of the CA here. Pure.
 */
#ifndef LEAFD_PLAN_FIT_H
#define LEAFD_PLAN_FIT_H

#include "base/cert_request.h"
#include "plan/terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a section would send, and to whom. */
struct fit_request {
    const struct cert_request *wanted;
    const char *pki_mount, *pki_role;
    const char *issuer; /* reference: the section's, else the role's, else "default" */
    const struct identity_terms *identity; /* fills in the role's templates; NULL: not known */
    bool key_from_ca;                      /* issue in place of sign */
    bool request_names;                    /* names as request fields beside the CSR's */
    uint64_t now_s;
};

enum fit_grade {
    FIT_REFUSED, /* the CA would refuse it, or leafd what it signs */
    FIT_OPEN,    /* not decided: why stands in the text */
    FIT_ADVICE   /* it would be signed, and yet */
};

struct fit_finding {
    enum fit_grade grade;
    const char *text;   /* what, and why */
    const char *remedy; /* what to change in the configuration, or on the CA; NULL: nothing */
};

/* In the arena that they were made in. */
struct fit_findings {
    struct fit_finding *items;
    size_t count;
};

/*
 * fit_find - adds a finding for each part of the request that does not fit, in the CA's own order
 *
 * A kind of CA that cannot describe itself gives NULL terms: the only finding is FIT_OPEN then. All
 * texts are in the arena, or borrowed from the request and the terms. Nothing is added for what
 * fits. False if memory ran out.
 */
bool fit_find(const struct fit_request *request, const struct mount_terms *mount,
              const struct role_terms *role, const struct issuer_terms *issuer, struct arena *arena,
              struct fit_findings *findings);

#endif
