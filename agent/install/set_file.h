/*
 * set_file - what lies in a set, believed by its owner
 *
 * A set's directory that others could write for a while may hold what they put there, long after
 * the way was closed. So whatever tells leafd something is judged by itself before it counts: it
 * belongs to root or to the set's owner, and nobody else may write it. It is opened beneath the
 * directory's descriptor and never through a link, and judged on the descriptor that is read.
 *
 * The outputs in a generation are not judged so, since they may belong to their consumers: the
 * record of a generation holds their digests, and its certificate vouches for the key.
 */
#ifndef LEAFD_INSTALL_SET_FILE_H
#define LEAFD_INSTALL_SET_FILE_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/trust.h"

#include <limits.h>
#include <stdbool.h>

/*
 * set_file_trust - for whom what lies in the open set directory is judged
 *
 * Beside root that is the directory's owner; where root owns it, this process's user.
 */
struct trust set_file_trust(int set_fd);

/*
 * set_file_open - opens a regular file for reading, never through a link; not judged
 *
 * Fails with class local and errnum set where a system call failed.
 */
bool set_file_open(int dir_fd, const char *name, int *ret_fd, struct err *err);

/*
 * set_file_read - adds the whole of a judged file in `dir_fd` to `bytes`
 *
 * `dir_fd` is the set's directory, or a generation that was judged. Fails with class local; errnum
 * is EPERM where somebody else may write the file.
 */
bool set_file_read(struct trust *trust, int dir_fd, const char *name, struct bytes *bytes,
                   struct err *err);

/* set_file_open_directory - opens a judged directory in the set's; as set_file_read */
bool set_file_open_directory(struct trust *trust, int set_fd, const char *name, int *ret_fd,
                             struct err *err);

/* set_file_read_link - where a judged symbolic link leads to; as set_file_read */
bool set_file_read_link(int set_fd, const char *name, char ret_target[static PATH_MAX],
                        struct err *err);

#endif
