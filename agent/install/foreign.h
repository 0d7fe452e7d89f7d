/*
 * foreign - files of other users in a set
 *
 * Other users may have made files in a set's directory while they could write it. leafd ignores
 * these files (set_file_read), reports them once, so that the operator asks how they came there,
 * and removes them.
 */
#ifndef LEAFD_INSTALL_FOREIGN_H
#define LEAFD_INSTALL_FOREIGN_H

#include "base/err.h"

#include <stdbool.h>

/*
 * foreign_find - whether other users made, or may write, a generation, ..data, the state or the
 * mark
 *
 * `set_fd` is the set's directory. *ret_what names one of them, class local. Changes nothing.
 */
bool foreign_find(int set_fd, struct err *ret_what);

/*
 * foreign_remove - the same, and removes them
 *
 * Follows no link. ..data stays, because the next publication replaces it in one rename. A
 * directory that cannot be emptied is renamed, as by file_make_way. Only for the agent that has the
 * claim.
 */
bool foreign_remove(int set_fd, struct err *ret_what);

#endif
