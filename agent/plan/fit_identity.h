/*
 * fit_identity - checks whether a role signs names of other workloads for this login
 *
 * A role binds names to the login if each name that it allows is either written out for this
 * machine or expanded from the identity behind the token. Every login that may use another role
 * gets certificates for the names of all its users. Pure.
 */
#ifndef LEAFD_PLAN_FIT_IDENTITY_H
#define LEAFD_PLAN_FIT_IDENTITY_H

#include "plan/fit.h"

/* All names that our configuration requests from one role. */
struct fit_use {
    const char *pki_mount, *pki_role;
    struct names names; /* of all its sections */
    uint64_t ttl_s;     /* the longest; 0: a section leaves it to the role */
};

/*
 * fit_identity_find - adds one piece of advice if the role would sign names of other workloads for
 * us
 *
 * The remedy is one command for the CA. A name is bound to the login by its literal text, a
 * template, or the display name of the token. False if memory ran out.
 */
bool fit_identity_find(const struct fit_use *use, const struct role_terms *role,
                       const struct identity_terms *identity, struct arena *arena,
                       struct fit_findings *findings);

#endif
