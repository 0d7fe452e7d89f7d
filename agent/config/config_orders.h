/*
 * config_orders - the parsers of values that are several words: file, link and validate
 */
#ifndef LEAFD_CONFIG_CONFIG_ORDERS_H
#define LEAFD_CONFIG_CONFIG_ORDERS_H

#include "config/config.h"
#include "config/config_values.h"

/* parse_file - appends to a `struct output_list`: NAME CONTENT [MODE [OWNER[:GROUP]]] */
config_parser parse_file;

/* parse_link - appends to a `struct link_list`: PATH NAME */
config_parser parse_link;

/* parse_validate - `struct text_list`, the argv of exec PROGRAM [ARGUMENT...] */
config_parser parse_validate;

#endif
