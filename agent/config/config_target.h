/*
 * config_target - parsers of addresses: HOST:PORT, a Unix socket, a URL
 *
 * Fields point to texts in the scope's arena.
 */
#ifndef LEAFD_CONFIG_CONFIG_TARGET_H
#define LEAFD_CONFIG_CONFIG_TARGET_H

#include "config/config.h"
#include "config/config_values.h"

/*
 * target_parse_address - parses HOST:PORT, [IPV6]:PORT or unix:/PATH
 *
 * Fills host and port, or socket, and label. Returns what is wrong, or NULL.
 */
const char *target_parse_address(struct config_scope *scope, const char *text,
                                 struct tls_target *ret_target);

/*
 * target_parse_url - parses https://..., http://... on this machine, or unix:/PATH:/URL-PATH
 *
 * Plain http is refused for other machines: an attacker on the network could answer instead of the
 * consumer. Returns what is wrong, or NULL.
 */
const char *target_parse_url(struct config_scope *scope, const char *text,
                             struct http_target *ret_target);

/* parse_host - `const char *`: a DNS name or an IP address, without a port */
config_parser parse_host;

/* parse_address - `const char *`: https://HOST[:PORT]; removes trailing slashes */
config_parser parse_address;

/* parse_proxy - `const char *`: the http:// or https:// URL of a proxy */
config_parser parse_proxy;

/*
 * parse_redirects - `struct redirect_rule`: no, same-host, or HOST[:PORT], separated by commas
 *
 * Expands nothing: environment variables must not decide which servers get the token.
 */
config_parser parse_redirects;

/*
 * parse_listen - `struct listen_list`: IP:PORT, [IPV6]:PORT or :PORT, separated by commas
 *
 * No names: the loop looks up none. An empty value is an empty list.
 */
config_parser parse_listen;

#endif
