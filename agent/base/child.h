/*
 * child - runs a command of the operator's, for a limited time
 *
 * No shell: an argument vector with an absolute program, which only root and our user may write
 * (base/trust; the interpreter of a script is not looked at): a worker looks. The environment is
 * clean (PATH, plus what the caller names), standard input is /dev/null, every other descriptor is
 * closed, and no ambient or inheritable capability of ours reaches it. It is a process group of its
 * own, which gets SIGTERM at the time limit and two seconds for it; then everything that it started
 * is killed, also what has left its group and session (base/keeper), as it is when the command
 * ends, unless it may start services. The last line that it prints goes into the error text when it
 * fails.
 *
 * No more than child_limit commands run at once, whoever started them: others wait in line, and
 * their time begins when their turn comes. What waits for a directory that does not answer has no
 * place yet, and fails at its time limit. A command that hangs has its place until its time limit.
 *
 * SIGCHLD is blocked in the whole program: sd-event watches children by pidfd
 * (sd_event_add_child(3)).
 */
#ifndef LEAFD_BASE_CHILD_H
#define LEAFD_BASE_CHILD_H

#include "base/text.h"
#include "base/worker.h"

#include <stdint.h>
#include <sys/types.h>

enum { CHILDREN_LEAST = 4, CHILDREN_MOST = 32 };

struct child_order {
    const char *what;             /* "validate", "reload": for the error text */
    const struct text_list *argv; /* argv->items[0] is an absolute path */
    const char *const *variables; /* "NAME=value", ends with NULL */
    uint64_t limit_s;             /* time limit, at least 1 */
    bool may_start_services;      /* what it leaves running stays if it exits with status 0 */
};

/*
 * child_start - starts the command
 *
 * Borrows `order` and all it points to only during the call. Ends well when the command exits with
 * status 0; everything else is class consumer. Dropping the slot kills it with all that it started,
 * a moment later. A program that cannot be started is class consumer, too. NULL with *err filled if
 * memory or threads ran out (class local). Borrows `workers` for as long as the slot is there.
 */
struct slot *child_start(sd_event *loop, struct workers *workers, const struct child_order *order,
                         slot_done *on_done, void *arg, struct err *err);

/* child_limit - how many commands run at once on so many cores: twice as many, within bounds */
unsigned child_limit(long cores);

/* child_is_watched - whether the process is one that child_start watches, and fetches at its end */
bool child_is_watched(pid_t pid);

#endif
