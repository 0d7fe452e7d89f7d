/*
 * config_subject - the parsers of names that go into a certificate
 *
 * They bring every name into the one form in which it is compared later: DNS names and mail domains
 * as lower-case A-labels (IDNA 2008, RFC 5891, by libidn2), IP addresses as inet_ntop(3) writes
 * them. A name that the CA would silently drop, such as a DNS name with an underscore, is refused
 * here. The list parsers append to a `struct text_list` and take names apart by commas.
 */
#ifndef LEAFD_CONFIG_CONFIG_SUBJECT_H
#define LEAFD_CONFIG_CONFIG_SUBJECT_H

#include "config/config_values.h"

/* parse_common_name - `const char *`, at most 64 characters (RFC 5280, ub-common-name) */
config_parser parse_common_name;

/* parse_dns_names - `struct text_list` of DNS names, a leading "*." allowed */
config_parser parse_dns_names;

/* parse_ip_addresses - `struct text_list` of IPv4 and IPv6 addresses */
config_parser parse_ip_addresses;

/* parse_uris - `struct text_list` of URIs, such as SPIFFE IDs */
config_parser parse_uris;

/* parse_email_addresses - `struct text_list` of LOCAL@DOMAIN */
config_parser parse_email_addresses;

#endif
