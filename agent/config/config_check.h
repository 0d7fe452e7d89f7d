/*
 * config_check - rules that span more than one key
 *
 * What a single value must look like is the business of its parser; here keys are held against each
 * other, and certificates against each other.
 */
#ifndef LEAFD_CONFIG_CONFIG_CHECK_H
#define LEAFD_CONFIG_CONFIG_CHECK_H

#include "config/config.h"
#include "config/config_document.h"

/* config_check - adds what is wrong; the document tells where a key stands */
void config_check(const struct config *config, const struct config_document *document,
                  struct config_problems *problems);

#endif
