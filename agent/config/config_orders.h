/*
 * config_orders - the parsers of values that are several words: file, link, validate, prove, reload
 *
 * An owner or a group of files is a number or what the machine's name service knows. A name service
 * that is down is told apart from a name that does not exist: it may be one of the network, and a
 * group may have more members than any buffer that was thought to be enough.
 */
#ifndef LEAFD_CONFIG_CONFIG_ORDERS_H
#define LEAFD_CONFIG_CONFIG_ORDERS_H

#include "config/config_values.h"

/* parse_file - appends to a `struct output_list`: NAME CONTENT [MODE [OWNER[:GROUP]]] */
config_parser parse_file;

/* parse_link - appends to a `struct link_list`: PATH NAME */
config_parser parse_link;

/* parse_validate - `struct text_list`, the argv of exec PROGRAM [ARGUMENT...] */
config_parser parse_validate;

/*
 * parse_prove - `struct prove_order`
 *
 * none, tls HOST:PORT [sni NAME] [starttls PROTOCOL], exec PROGRAM [ARGUMENT...] or http URL
 * JSON-PATH.
 */
config_parser parse_prove;

/*
 * parse_reload - appends to a `struct reload_list`: none, signal, unit, socket, exec or http
 *
 * Whether a file that a socket line names is one of the set is for config_check to tell.
 */
config_parser parse_reload;

#endif
