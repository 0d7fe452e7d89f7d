/*
 * config_check - the rules that concern several keys or several certificates
 *
 * The parser of a key checks its value alone.
 */
#ifndef LEAFD_CONFIG_CONFIG_CHECK_H
#define LEAFD_CONFIG_CONFIG_CHECK_H

#include "config/config.h"
#include "config/config_document.h"

/* config_check - adds what is wrong to `problems`; `document` gives the places of the keys */
void config_check(const struct config *config, const struct config_document *document,
                  struct config_problems *problems);

#endif
