/*
 * config_prove - the value of the key prove
 */
#ifndef LEAFD_CONFIG_CONFIG_PROVE_H
#define LEAFD_CONFIG_CONFIG_PROVE_H

#include "config/config_values.h"

/*
 * parse_prove - `struct prove_order`
 *
 * none, tls HOST:PORT [sni NAME] [starttls PROTOCOL], exec PROGRAM [ARGUMENT...] or http URL
 * JSON-PATH.
 */
config_parser parse_prove;

#endif
