/*
 * child - runs a command of the operator with a time limit
 *
 * No shell: an argument vector with an absolute program path. A worker checks that only root and
 * our user may write the program (base/trust); the interpreter of a script is not checked. The
 * environment is clean (PATH and the caller's variables), standard input is /dev/null or what the
 * caller gives, all other descriptors are closed, and the command gets none of our ambient or
 * inheritable capabilities. It has a process group of its own, which gets SIGTERM at the time limit
 * and SIGKILL two seconds later. When the command ends, all processes that it started are killed,
 * also those that left its group and session (base/keeper), unless it may start services. If it
 * fails, the last line that it printed becomes part of the error text.
 *
 * At most child_limit commands run at once in the process, and beside them CHILDREN_BESIDE_MOST of
 * those that serve no certificate: others wait in a queue, and their time limit begins when they
 * start. A command whose directory does not answer holds no permit and fails
 * at its time limit. A command that hangs holds its permit until its time limit.
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

enum { CHILDREN_LEAST = 4, CHILDREN_MOST = 32, CHILDREN_BESIDE_MOST = 8 };

struct child_order {
    const char *what;             /* "validate", "reload": for the error text */
    const struct text_list *argv; /* argv->items[0] is an absolute path */
    const char *const *variables; /* "NAME=value", ends with NULL */
    const char *input;            /* what it reads on standard input; NULL: nothing */
    uint64_t limit_s;             /* time limit, at least 1 */
    bool beside; /* it serves no certificate, and waits only for other commands beside */
    bool may_start_services; /* processes that it leaves running stay if it exits with status 0 */
};

/*
 * child_start - starts the command
 *
 * Borrows `order` and all it points to only during the call. Ends well when the command exits with
 * status 0; any other end, or a program that cannot be started, is class consumer. Dropping the
 * slot kills the command and all processes that it started, a moment later. NULL with *err filled
 * if memory or threads ran out (class local). Borrows `workers` for as long as the slot is there.
 */
struct slot *child_start(sd_event *loop, struct workers *workers, const struct child_order *order,
                         slot_done *on_done, void *arg, struct err *err);

/*
 * child_said - the last line that the command printed, without credentials and printable; "": none
 *
 * For on_done: of a command that failed it is part of the error text as well. `size` is at least 4.
 */
void child_said(struct slot *slot, char *to, size_t size);

/* child_limit - how many commands run at once on so many cores: twice as many, within bounds */
unsigned child_limit(long cores);

/* child_is_watched - whether child_start watches the process and reaps it */
bool child_is_watched(pid_t pid);

#endif
