/*
 * config_subject - the parsers of names that go into a certificate
 *
 * They bring every name into the one form in which it is compared later, which is the one that the
 * CA writes: DNS names and mail domains as lower-case A-labels (IDNA 2008, RFC 5891, by libidn2),
 * IP addresses as inet_ntop(3) writes them, IPv4 ones within IPv6 (RFC 4291 section 2.5.5.2) as
 * IPv4, URIs with the scheme in lower case. What no CA gives back as it was asked for is refused.
 * The list parsers append to a `struct text_list`; they take the value apart by commas, and expand
 * each item for itself after that.
 */
#ifndef LEAFD_CONFIG_CONFIG_SUBJECT_H
#define LEAFD_CONFIG_CONFIG_SUBJECT_H

#include "config/config_values.h"

/* parse_common_name - `const char *`, at most 64 characters (RFC 5280, ub-common-name) */
config_parser parse_common_name;

/*
 * parse_subject - `struct text_list` of TYPE=VALUE: what stands in the subject beside the common
 * name
 *
 * Parts are apart by commas; a comma in a value is written \, and a backslash \\ (RFC 4514
 * section 2.4). Types are those that roles of Vault can set.
 */
config_parser parse_subject;

/* parse_dns_names - `struct text_list` of DNS names, a leading "*." and underscores allowed */
config_parser parse_dns_names;

/* parse_ip_addresses - `struct text_list` of IPv4 and IPv6 addresses */
config_parser parse_ip_addresses;

/* parse_uris - `struct text_list` of URIs (RFC 3986); SPIFFE IDs as the SPIFFE-ID standard has it
 */
config_parser parse_uris;

/* parse_email_addresses - `struct text_list` of LOCAL@DOMAIN */
config_parser parse_email_addresses;

#endif
