/*
 * check - `leafd check`: what the configuration means, what is unwise, and what would be refused
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

/*
 * check_online - logs in, reads rights, mounts, roles and issuers, and holds each section against
 * them; looks at the directories
 *
 * Issues and writes nothing. Without `spend` it does not log in with a credential that a login may
 * use up: a secret id, or a token with a number of uses. Takes no reference. Prints a line for each
 * finding, by section; what could not be asked is printed as well and is no failure. Returns the
 * exit code: 0, 1 if the CA could not be asked or a directory is of no use, 3 if something would be
 * refused.
 */
int check_online(struct config *config, bool spend);

#endif
