/*
 * config_reload - the parser of reload lines
 */
#ifndef LEAFD_CONFIG_CONFIG_RELOAD_H
#define LEAFD_CONFIG_CONFIG_RELOAD_H

#include "config/config.h"
#include "config/config_values.h"

/*
 * parse_reload - appends to a `struct reload_list`: none, signal, unit, socket, exec or http
 *
 * Whether a file that a socket line names is one of the set is for config_check to tell.
 */
config_parser parse_reload;

#endif
