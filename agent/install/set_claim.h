/*
 * set_claim - one agent for each set, for as long as the agent runs
 *
 * A claim is an exclusive flock(2) on the file "..lock" in the set's directory, which only the
 * set's owner and root can open. A lock on the directory itself would not do: any user who may read
 * the directory could take it and prevent a renewal.
 *
 * A set at rest takes no descriptor. A flock(2) lock belongs to the open file description, which
 * exists as long as a descriptor or a mapping refers to it: close(2), mmap(2). So the claim maps
 * one page of the file with PROT_NONE and closes the descriptor. On some file systems that does not
 * hold the lock: overlayfs maps another file than the one that was opened. The claim tries the lock
 * once after it has closed the descriptor; if it is free, it keeps two descriptors, of the lock and
 * of the directory.
 *
 * Each operation opens the directory by its path again, and continues only if that is the claimed
 * directory and the lock is still in it.
 *
 * If the lock file was removed, a second agent must still not get in: if it is missing from a set
 * that was published, /proc is searched for an agent that maps the removed file. Earlier releases
 * lock the directory. Such a lock counts only if /proc shows it among the open files of an agent: a
 * process with our name whose user is root, ours or the directory's owner. If these processes may
 * not be inspected, "..lock" alone decides.
 */
#ifndef LEAFD_INSTALL_SET_CLAIM_H
#define LEAFD_INSTALL_SET_CLAIM_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* How many open files are left for other work if sets at rest take descriptors. */
enum { SET_FILES_LEFT = 96 };

/* A claim on a set, shared by all that work on the set, from any thread. */
struct set_claim;

/*
 * set_claim_take - opens the directory, as set_directory_open, and claims the set
 *
 * Creates the lock file if it is missing. Replaces it if it is no regular file, or if another user
 * owns it or may open it. Gives the claim, which ends with set_claim_drop, and the directory's
 * descriptor, which the caller closes. Blocks on the disk. Fails with class local; errnum is
 * EWOULDBLOCK if another agent has the set, also if that is an agent of the directory's owner and
 * this user may not use the directory, and EDEADLK if this process has it for another section.
 * EDEADLK is retried for about a second.
 */
bool set_claim_take(const char *path, mode_t mode, struct set_claim **ret_claim, int *ret_fd,
                    struct err *err);

/*
 * set_claim_open - opens the directory of a claimed set for one operation
 *
 * The descriptor belongs to the caller. Fails with class local; errnum is ESTALE if the path does
 * not lead to the claimed directory, or the lock is not in it.
 */
bool set_claim_open(const struct set_claim *claim, const char *path, int *ret_fd, struct err *err);

/* set_claim_open_judged - the same, and checks the directory and the way to it again, as
 * set_directory_visit */
bool set_claim_open_judged(const struct set_claim *claim, const char *path, int *ret_fd,
                           struct err *err);

/* set_claim_share - another reference of the claim, to be ended with set_claim_drop; NULL gives
 * NULL */
struct set_claim *set_claim_share(struct set_claim *claim);

/* set_claim_drop - ends a reference; the last one gives up the set; NULL is fine; returns NULL */
struct set_claim *set_claim_drop(struct set_claim *claim);

/*
 * set_claim_has - whether an agent works in the open directory; *ret_who says which one, as
 * set_claim_take would
 *
 * `path` is the directory's name for the text. Creates nothing.
 */
bool set_claim_has(int set_fd, const char *path, struct err *ret_who);

#endif
