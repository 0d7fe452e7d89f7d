/*
 * mounts - finds the disk of a path without accessing the disk
 *
 * stat(2) may hang on a frozen file system or a server that is down. The kernel's table of mounts
 * does not (proc_pid_mountinfo(5)): the longest mount point that is a prefix of the path gives the
 * device. Symbolic links are not followed, so the result may be the disk of the link; callers must
 * not depend on it alone.
 */
#ifndef LEAFD_BASE_MOUNTS_H
#define LEAFD_BASE_MOUNTS_H

#include "base/bytes.h"

#include <stdint.h>

struct mount;

/* Initialise with {0}. The table that was read last. */
struct mounts {
    int fd; /* of the table; 0: not open yet, -1: cannot be opened. poll(2) reports changes */
    struct bytes text;
    struct mount *items; /* sorted by path */
    size_t count;
};

/*
 * mounts_disk - the number of the disk that an absolute path lies on
 *
 * Reads the table if it has changed. Paths of one disk have the same number; 0 if it is not known.
 */
uint64_t mounts_disk(struct mounts *mounts, const char *path);

/*
 * mounts_parse - parses a table in the form of mountinfo; for mounts_disk and tests
 *
 * Takes the content of `text`. Skips invalid lines.
 */
void mounts_parse(struct mounts *mounts, struct bytes *text);

/* mounts_find - the disk of an absolute path in the table that was parsed last; 0 if it is not
 * known */
uint64_t mounts_find(const struct mounts *mounts, const char *path);

/* mounts_close - releases the table */
void mounts_close(struct mounts *mounts);

#endif
