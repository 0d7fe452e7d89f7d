/*
 * config_target - where a consumer is reached: HOST:PORT, a Unix socket, a URL
 */
#ifndef LEAFD_CONFIG_CONFIG_TARGET_H
#define LEAFD_CONFIG_CONFIG_TARGET_H

#include "config/config.h"
#include "config/config_expand.h"

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

#endif
