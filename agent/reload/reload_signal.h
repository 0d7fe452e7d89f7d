/*
 * reload_signal - tells a process by signal that its files have changed
 *
 * The process is held by a pidfd before it is looked at and signalled through it, so that a pid
 * which the kernel gives to somebody else in between is never signalled. Whose process it is
 * decides, not what is written somewhere: of a pidfile, who could have written it, and of a name,
 * who runs under it. A pidfile that is older than the process it names is left over from another
 * one. A process that the signal would end, since it neither catches, blocks nor ignores it, is not
 * the consumer, or one that has not begun to listen: it is spared. SIGTERM, SIGINT and SIGQUIT are
 * meant to end it and are sent. Nothing is kept from one reload to the next: the pidfile is read
 * anew, and one that is not there is a failure like any other.
 */
#ifndef LEAFD_RELOAD_RELOAD_SIGNAL_H
#define LEAFD_RELOAD_RELOAD_SIGNAL_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * reload_signal_pidfile - signals the process that the pidfile names
 *
 * The file and all directories on the way to it must belong to root or to the user of that process,
 * and be writable for nobody else (base/trust). Fails with class local where they are not, else
 * with class consumer.
 */
bool reload_signal_pidfile(const char *path, int signal, struct err *err);

struct reload_process {
    const char *name; /* /proc/PID/comm, at most 15 bytes */
    uid_t user;       /* whose processes are meant beside those of our own user; else geteuid() */
};

/*
 * reload_signal_process - signals every such process whose parent has another name
 *
 * So that the master gets the signal and its workers do not. Only processes of our user or the
 * named one, and of our PID namespace, are meant; what anybody else calls himself neither gets a
 * signal nor makes a reload fail. If some of them execute a program of that name, others that only
 * call themselves so get none. Fails with class consumer if none could be signalled; errnum is
 * ESRCH if there is none.
 */
bool reload_signal_process(const struct reload_process *wanted, int signal, struct err *err);

#endif
