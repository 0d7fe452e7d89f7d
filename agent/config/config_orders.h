/*
 * config_orders - parsers of the keys file, link, validate, prove, reload and on_event
 *
 * Owners and groups are numbers or names. A name service that does not answer is reported
 * differently from an unknown name, since the name may exist in a network directory.
 */
#ifndef LEAFD_CONFIG_CONFIG_ORDERS_H
#define LEAFD_CONFIG_CONFIG_ORDERS_H

#include "config/config_values.h"

/* parse_file - appends to a `struct output_list`: NAME CONTENT [MODE [OWNER[:GROUP]]] */
config_parser parse_file;

/* parse_link - appends to a `struct link_list`: PATH NAME */
config_parser parse_link;

/* parse_group - `int64_t`: the gid of a group that is named by its name or number */
config_parser parse_group;

/* parse_on_event - appends to a `struct hook_list`: KIND[, KIND...] exec PROGRAM [ARGUMENT...] */
config_parser parse_on_event;

/* parse_validate - `struct text_list`: the argv of exec PROGRAM [ARGUMENT...] */
config_parser parse_validate;

/*
 * parse_prove - `struct prove_order`: none, tls, exec or http
 *
 * tls HOST:PORT [sni NAME] [starttls PROTOCOL] [mutual], exec PROGRAM [ARGUMENT...], http URL
 * JSON-PATH.
 */
config_parser parse_prove;

/*
 * parse_reload - appends to a `struct reload_list`: none, signal, unit, socket, exec or http
 *
 * config_check verifies that a file named in a socket line is one of the set.
 */
config_parser parse_reload;

#endif
