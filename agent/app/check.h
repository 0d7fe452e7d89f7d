/*
 * check - `leafd check`: the effective configuration, advice on it, and what the CA would refuse
 */
#ifndef LEAFD_APP_CHECK_H
#define LEAFD_APP_CHECK_H

#include "config/config.h"

/*
 * check_print - prints the settings of templates, each certificate's advice, and a closing line
 *
 * Also reports other users who may write the directories of sets and links; with `online` not why
 * the directory of a set is refused, which check_online prints. Borrows `config`. False if the
 * agent would refuse one of them.
 */
bool check_print(const struct config *config, bool online);

/*
 * check_online - logs in, reads rights, mounts, roles and issuers, and compares each section with
 * them; checks the directories
 *
 * Issues and writes nothing. Without `spend` it does not log in with a credential that a login may
 * use up: a secret id, or a token with a limited number of uses. Takes no reference. Prints a line
 * for each finding, by section; a rule that the token may not read is printed as well and is no
 * failure. Returns the exit code: 0, 1 if the CA could not be asked or a directory cannot be used,
 * 3 if the CA would refuse a section.
 */
int check_online(struct config *config, bool spend);

#endif
