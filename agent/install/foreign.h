/*
 * foreign - what others put into a set while they could write its directory
 *
 * It counts for nothing (set_file). It is told, so that somebody asks how it came there, and
 * removed, so that it is told once.
 */
#ifndef LEAFD_INSTALL_FOREIGN_H
#define LEAFD_INSTALL_FOREIGN_H

#include "base/err.h"

#include <stdbool.h>

/*
 * foreign_find - whether a generation, ..data or a note in the open set directory is of others
 *
 * Or may be written by them. *ret_what tells of one, class local. Changes nothing.
 */
bool foreign_find(int set_fd, struct err *ret_what);

/*
 * foreign_remove - the same, and removes all of it
 *
 * Follows no link. Only ..data stays, which is replaced in one rename. A directory that cannot be
 * emptied is renamed as file_make_way does. For an agent in its own set.
 */
bool foreign_remove(int set_fd, struct err *ret_what);

#endif
