/*
 * config_subject - parsers of the names in a certificate
 *
 * Each name is converted to the form that the CA writes, so that names can be compared as texts:
 * DNS names and mail domains as A-labels in lower case (IDNA 2008, RFC 5891, by libidn2), IP
 * addresses as inet_ntop(3) writes them, IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2) as
 * IPv4, URIs with the scheme in lower case. A name that the CA would change is refused. The parsers
 * of lists split the value at commas, then expand each item, and append to a `struct text_list`.
 */
#ifndef LEAFD_CONFIG_CONFIG_SUBJECT_H
#define LEAFD_CONFIG_CONFIG_SUBJECT_H

#include "config/config_values.h"

/* parse_common_name - `const char *`, at most 64 characters (RFC 5280, ub-common-name) */
config_parser parse_common_name;

/*
 * parse_subject - `struct text_list` of TYPE=VALUE: the subject without the common name
 *
 * Parts are separated by commas. A comma in a value is written \, and a backslash \\ (RFC 4514
 * section 2.4). The types are those that roles of Vault can set.
 */
config_parser parse_subject;

/* parse_dns_names - `struct text_list` of DNS names; a leading "*." and underscores are allowed */
config_parser parse_dns_names;

/* parse_ip_addresses - `struct text_list` of IPv4 and IPv6 addresses */
config_parser parse_ip_addresses;

/* parse_uris - `struct text_list` of URIs (RFC 3986); SPIFFE IDs as in the SPIFFE-ID standard */
config_parser parse_uris;

/* parse_email_addresses - `struct text_list` of LOCAL@DOMAIN */
config_parser parse_email_addresses;

#endif
