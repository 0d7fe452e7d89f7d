/*
 * set_holder - finds the agent that works in a set: the process that has the set's lock
 *
 * Searches /proc among the processes that have our name and whose user is root, ours or the
 * directory's owner. The search reads /proc and may block.
 */
#ifndef LEAFD_INSTALL_SET_HOLDER_H
#define LEAFD_INSTALL_SET_HOLDER_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct set_holder {
    pid_t pid;    /* has the lock, by a descriptor or a mapping; 0: none found */
    pid_t likely; /* the only agent that may not be inspected; 0: none, or several */
};

/*
 * set_holder_mark - the offset at which a claim of that directory maps its lock
 *
 * It shows in /proc/PID/maps which directory a removed lock was in. A file may be mapped beyond its
 * end. The offset is a multiple of the largest page size (64 KiB) and below one TiB, which every
 * file system supports.
 */
off_t set_holder_mark(ino_t directory);

/* set_holder_find - the agent that has the lock on the open file */
struct set_holder set_holder_find(int fd);

/* set_holder_find_removed - another agent that claimed the set with a lock file that was removed
 * since */
struct set_holder set_holder_find_removed(int set_fd);

/*
 * set_holder_refuse - fills *err with the agent that was found; returns false
 *
 * Class local; errnum is EDEADLK for this process, else EWOULDBLOCK.
 */
bool set_holder_refuse(const char *path, const struct set_holder *found, struct err *err);

#endif
