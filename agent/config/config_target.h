/*
 * config_target - where somebody is reached: HOST:PORT, a Unix socket, a URL
 */
#ifndef LEAFD_CONFIG_CONFIG_TARGET_H
#define LEAFD_CONFIG_CONFIG_TARGET_H

#include "config/config.h"
#include "config/config_values.h"

/*
 * target_parse_address - HOST:PORT, [IPV6]:PORT or unix:/PATH
 *
 * Fills host and port, or socket, and the label. Returns what is wrong, or NULL.
 */
const char *target_parse_address(struct config_scope *scope, const char *text,
                                 struct tls_target *ret_target);

/*
 * target_parse_url - https://..., http://... of this machine, or unix:/PATH:/URL-PATH
 *
 * Plain http leaves neither the machine nor the pod: whoever could listen in between could also
 * answer in the consumer's place. Returns what is wrong, or NULL.
 */
const char *target_parse_url(struct config_scope *scope, const char *text,
                             struct http_target *ret_target);

/* parse_host - `const char *`: a DNS name or an IP address, without a port */
config_parser parse_host;

/* parse_address - `const char *`: https://HOST[:PORT]; a slash at its end is dropped */
config_parser parse_address;

/* parse_proxy - `const char *`: an http:// or https:// URL of a proxy */
config_parser parse_proxy;

/*
 * parse_redirects - a `struct redirect_rule`: no, same-host, or HOST[:PORT] apart by commas
 *
 * Nothing is expanded: the environment has no say in where the token goes.
 */
config_parser parse_redirects;

#endif
