/*
 * fit_posture - what the role and the issuer of a section allow beyond what it needs
 *
 * For `leafd check --online`: whoever steals the login, or the key of the issuer, can use what is
 * allowed and never needed. Pure.
 */
#ifndef LEAFD_PLAN_FIT_POSTURE_H
#define LEAFD_PLAN_FIT_POSTURE_H

#include "plan/fit_identity.h"

/* fit_posture_role - adds advice on a role whose certificates may live far longer than is asked;
 * false if memory ran out */
bool fit_posture_role(const struct fit_use *use, const struct mount_terms *mount,
                      const struct role_terms *role, struct arena *arena,
                      struct fit_findings *findings);

/* fit_posture_issuer - adds advice on the issuer of that name if it has no limits; false if memory
 * ran out */
bool fit_posture_issuer(const char *name, const struct issuer_terms *issuer, struct arena *arena,
                        struct fit_findings *findings);

#endif
