/*
 * check_online - `leafd check --online`: what the CA would refuse, and what it allows beyond need
 */
#ifndef LEAFD_APP_CHECK_ONLINE_H
#define LEAFD_APP_CHECK_ONLINE_H

#include "app/findings.h"

/*
 * check_online - logs in, reads rights, mounts, roles and issuers, and compares each section with
 * them; checks the directories
 *
 * Issues and writes nothing. Without `spend` it does not log in with a credential that a login may
 * use up: a secret id, or a token with a limited number of uses. Takes no reference. Findings are
 * in the order of the sections; a rule that the token may not read is one and is no failure.
 * Returns the exit code: 0, 1 if the CA could not be asked or a directory cannot be used, 3 if the
 * CA would refuse a section.
 */
int check_online(struct findings *findings, struct config *config, bool spend);

#endif
