/*
 * check - `leafd check`: what the configuration means, and what is unwise
 */
#ifndef LEAFD_FLOW_CHECK_H
#define LEAFD_FLOW_CHECK_H

#include "config/config.h"

/*
 * check_print - prints what templates gave, each certificate's advice, and a closing line
 *
 * With `places`, also who else may write the directories of sets and links. Borrows `config`. False
 * if the agent would refuse one of them.
 */
bool check_print(const struct config *config, bool places);

#endif
