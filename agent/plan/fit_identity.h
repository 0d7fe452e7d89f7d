/*
 * fit_identity - whether a role signs names of others as well
 *
 * A role binds names to the login where each name that it allows is either written out for this
 * machine or filled in from the identity behind the token. Whoever may use a role that does not
 * gets certificates for the names of everybody else who uses it. Pure.
 */
#ifndef LEAFD_PLAN_FIT_IDENTITY_H
#define LEAFD_PLAN_FIT_IDENTITY_H

#include "plan/fit.h"

/* All that our configuration asks of one role. */
struct fit_use {
    const char *pki_mount, *pki_role;
    struct names names; /* of all its sections */
};

/*
 * fit_identity_find - adds one piece of advice if the role would sign names of others for us
 *
 * The remedy is one command for the CA. What binds a name to the login: its own text, a template,
 * the display name of the token. False if memory ran out.
 */
bool fit_identity_find(const struct fit_use *use, const struct role_terms *role,
                       const struct identity_terms *identity, struct arena *arena,
                       struct fit_findings *findings);

#endif
