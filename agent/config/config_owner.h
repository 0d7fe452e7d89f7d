/*
 * config_owner - an owner or a group of files, by number or as the machine's name service knows it
 *
 * A name service that is down is told apart from a name that does not exist: it may be one of the
 * network, and a group may have more members than any buffer that was thought to be enough.
 */
#ifndef LEAFD_CONFIG_CONFIG_OWNER_H
#define LEAFD_CONFIG_CONFIG_OWNER_H

#include "config/config_expand.h"

#include <stdint.h>

/* config_owner - the number of the user `name`; returns what is wrong, or NULL */
const char *config_owner(struct config_scope *scope, const char *name, int64_t *ret_owner);

/* config_user - likewise, of a user who owns no file but a process */
const char *config_user(struct config_scope *scope, const char *name, int64_t *ret_user);

/* config_group - the number of the group `name`; returns what is wrong, or NULL */
const char *config_group(struct config_scope *scope, const char *name, int64_t *ret_group);

#endif
