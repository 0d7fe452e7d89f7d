/*
 * set_claim - one agent for each set, for as long as it runs
 *
 * The claim is a lock of flock(2) on "..lock" in the set's directory, which only the set's owner
 * and root can open: a lock on the directory would be anybody's who may read it, and would keep a
 * certificate from being renewed until it ends.
 *
 * A set at rest takes no descriptor. The lock belongs to the open file, which ends when nothing
 * refers to it any more, and a mapping refers to it as a descriptor does: close(2), mmap(2). The
 * mapping is of one page that nobody may read (PROT_NONE) and nobody touches. Where a mapping does
 * not hold the lock, the claim keeps two descriptors, the lock's and the directory's: overlayfs
 * maps another file than the one that was opened. What a claim keeps is found out by trying the
 * lock once more after the descriptor was closed.
 *
 * Each piece of work opens the directory by its path again, and goes on only if that leads to the
 * directory that was claimed, with the lock still in it.
 *
 * A lock that somebody removed lets no second agent in: in a set that has been used, whose lock is
 * missing, an agent is looked for that maps the removed one. A lock on the directory, as earlier
 * releases take it, is anybody's, so it counts only where the kernel shows it among the open files
 * of an agent: a process with the name of this one, of root, of this process's user or of the
 * directory's. Where those may not be looked at, "..lock" alone decides.
 */
#ifndef LEAFD_INSTALL_SET_CLAIM_H
#define LEAFD_INSTALL_SET_CLAIM_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* So many open files stay for all other work where sets at rest take some. */
enum { SET_FILES_LEFT = 96 };

/* A set that this process keeps. Shared by whoever works on it, from any thread. */
struct set_claim;

/*
 * set_claim_take - opens the directory as set_directory_open does, and claims the set
 *
 * Makes the lock where it is not there, and replaces what is none: another kind of file, or one
 * that others own or may open. Gives the claim, ended by set_claim_drop, and the directory's
 * descriptor, which the caller closes when its work is done. Fails with class local, and errnum
 * EWOULDBLOCK where another agent has the set, of the directory's owner if that is somebody else,
 * or EDEADLK where it is this process, for another section; that is waited for, somewhat more than
 * a second.
 */
bool set_claim_take(const char *path, mode_t mode, struct set_claim **ret_claim, int *ret_fd,
                    struct err *err);

/*
 * set_claim_open - opens the directory of a set that this process keeps, for one piece of work
 *
 * The descriptor belongs to the caller. Fails with class local if the path does not lead to the
 * directory that was claimed, or the lock is not in place; errnum is ESTALE then.
 */
bool set_claim_open(const struct set_claim *claim, const char *path, int *ret_fd, struct err *err);

/* set_claim_open_judged - the same, and judges the directory and the way to it anew, as
 * set_directory_visit does */
bool set_claim_open_judged(const struct set_claim *claim, const char *path, int *ret_fd,
                           struct err *err);

/* set_claim_share - the same claim for one more who ends it by set_claim_drop; NULL is none */
struct set_claim *set_claim_share(struct set_claim *claim);

/* set_claim_drop - the set is given up when the last one who shares the claim drops it; NULL is
 * fine; returns NULL */
struct set_claim *set_claim_drop(struct set_claim *claim);

/* set_claim_has - whether an agent works in the open directory, of which `path` is the name in
 * texts; then *ret_who tells as set_claim_take does. Makes nothing */
bool set_claim_has(int set_fd, const char *path, struct err *ret_who);

#endif
