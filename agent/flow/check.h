/*
 * check - `leafd check`: what the configuration means, and what is unwise
 */
#ifndef LEAFD_FLOW_CHECK_H
#define LEAFD_FLOW_CHECK_H

#include "config/config.h"

/* check_print - prints what templates gave, each certificate's advice and a closing line; borrows
 * `config` */
void check_print(const struct config *config);

#endif
