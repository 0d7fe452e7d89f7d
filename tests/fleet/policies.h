/*
 * policies - when leafd renews and retries, and when its peers do
 *
 * leafd's are the objects that ship: plan/renewal, plan/backoff and base/digest, called as cert/
 * calls them. The peers' are models of the rules in their sources, each with the commit it was read
 * from, and each on the kind side where a choice was to be made.
 */
#ifndef LEAFD_TESTS_FLEET_POLICIES_H
#define LEAFD_TESTS_FLEET_POLICIES_H

#include "world.h"

enum { POLICY_COUNT = 5 };

/* policies - leafd first */
extern const struct policy policies[POLICY_COUNT];

#endif
