/*
 * name_rules - which names a role allows
 *
 * Vault's rules for DNS names, mail addresses and common names: enforce_hostnames, wildcards,
 * allow_any_name, localhost, bare domains and subdomains, in that order.
 */
#ifndef DEVCA_NAME_RULES_H
#define DEVCA_NAME_RULES_H

#include "roles.h"

#include <stdbool.h>

/* name_rules_allow - whether the role allows a name */
bool name_rules_allow(const struct pki_role *role, const char *name);

/* name_rules_allow_uri - whether the role allows a URI */
bool name_rules_allow_uri(const struct pki_role *role, const char *uri);

/* name_is_hostname - whether it could be a host's name, with a wildcard in front perhaps */
bool name_is_hostname(const char *name);

#endif
