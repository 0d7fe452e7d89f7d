/*
 * check - `leafd check` without the CA: the effective configuration, and warnings on it
 */
#ifndef LEAFD_APP_CHECK_H
#define LEAFD_APP_CHECK_H

#include "app/findings.h"

/*
 * check_configuration - tells the settings of templates, warnings, and a closing line
 *
 * Also finds other users who may write the directories of sets and links; with `online` not why the
 * directory of a set is refused, which check_online finds. Borrows `config`. False if the agent
 * would refuse one of them. Blocks: it reads the sets.
 */
bool check_configuration(struct findings *findings, const struct config *config, bool online);

#endif
