/*
 * fit - checks whether the CA's mount, role and issuer allow what a section asks for
 *
 * For `leafd check --online`. The rules are those of the PKI engine of Vault and OpenBao
 * (builtin/logical/pki: cert_util.go, validateNames, generateCreationBundle, signCert), applied to
 * the request that a section would send, and then those of vet for the certificate that the CA
 * would sign. No request is sent here. Pure.
 */
#ifndef LEAFD_PLAN_FIT_H
#define LEAFD_PLAN_FIT_H

#include "base/cert_request.h"
#include "base/posture.h"
#include "plan/terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The request that a section would send. */
struct fit_request {
    const struct cert_request *wanted;
    const char *pki_mount, *pki_role;
    const char *issuer; /* reference: the section's, else the role's, else "default" */
    const struct identity_terms *identity; /* expands the role's templates; NULL: not known */
    bool key_from_ca;                      /* issue in place of sign */
    bool request_names;                    /* names as request fields beside the CSR's */
    uint64_t now_s;
};

enum fit_grade {
    FIT_REFUSED, /* the CA would refuse the request, or leafd the certificate */
    FIT_OPEN,    /* not decided; the text says why */
    FIT_ADVICE   /* it would be signed, but not as wanted */
};

struct fit_finding {
    enum fit_grade grade;
    enum posture id;    /* of advice only */
    const char *text;   /* what does not fit, and why */
    const char *remedy; /* what to change in the configuration, or on the CA; NULL: nothing */
};

/* The items are in an arena. */
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
