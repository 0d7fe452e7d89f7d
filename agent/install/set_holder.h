/*
 * set_holder - which agent works in a set: the process that has its lock open, or mapped
 *
 * Found in /proc among the processes with the name of this one, of root, of this process's user or
 * of the directory's. All of it blocks on /proc.
 */
#ifndef LEAFD_INSTALL_SET_HOLDER_H
#define LEAFD_INSTALL_SET_HOLDER_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct set_holder {
    pid_t pid;    /* has it open and locked, or mapped; 0: none was seen */
    pid_t likely; /* the only agent that may not be looked into; 0: none */
};

/*
 * set_holder_mark - the offset at which a claim of that directory maps its lock
 *
 * It tells in which directory the lock is, also after somebody removed it. A file can be mapped
 * beyond its end. The offset is a multiple of the largest page size, and within a terabyte, which
 * any file system takes.
 */
off_t set_holder_mark(ino_t directory);

/* set_holder_find - the agent that has a lock on the open file, which is locked */
struct set_holder set_holder_find(int fd);

/* set_holder_find_removed - the other agent that claimed the set by a lock which was removed since
 */
struct set_holder set_holder_find_removed(int set_fd);

/* set_holder_refuse - tells that it works there: class local, errnum EDEADLK if it is this process,
 * else EWOULDBLOCK; returns false */
bool set_holder_refuse(const char *path, const struct set_holder *found, struct err *err);

#endif
