/*
 * check - `leafd check`: what the configuration means, and what is unwise
 */
#ifndef LEAFD_APP_CHECK_H
#define LEAFD_APP_CHECK_H

#include "config/config.h"

/*
 * check_print - prints what templates gave, each certificate's advice, and a closing line
 *
 * Also who else may write the directories of sets and links; with `online` not why that of a set is
 * refused, which check_online tells. Borrows `config`. False if the agent would refuse one of them.
 */
bool check_print(const struct config *config, bool online);

#endif
