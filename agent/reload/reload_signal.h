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

#include "base/worker.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct signal_order {
    int signal;
    const char *pidfile; /* absolute path of the file that names the process; NULL: by name */
    const char *name;    /* /proc/PID/comm, at most 15 bytes */
    uid_t user; /* by name: whose processes are meant beside those of our own user; else geteuid()
                 */
};

/*
 * reload_signal_start - signals the process that the pidfile names, or all of the name
 *
 * The file and all directories on the way to it must belong to root or to the user of that process,
 * and be writable for nobody else (base/trust).
 *
 * By name every such process is signalled whose parent has another name, so that the master gets
 * the signal and its workers do not. Only processes of our user or the named one, and of our PID
 * namespace, are meant; what anybody else calls himself neither gets a signal nor makes a reload
 * fail. If some of them execute a program of that name, others that only call themselves so get
 * none.
 *
 * A worker reads the file and /proc: either may be on a mount that hangs. After `limit_s` seconds
 * nothing is signalled any more. Borrows `order` during the call. Fails with class local where the
 * pidfile is not trusted, else with class consumer; err->nobody tells whether nobody is there.
 * NULL with *err filled if memory or threads ran out (class local).
 */
struct slot *reload_signal_start(sd_event *loop, struct workers *workers,
                                 const struct signal_order *order, uint64_t limit_s,
                                 slot_done *on_done, void *arg, struct err *err);

/*
 * reload_signal_send - the same at once, for a worker or a test: it blocks as long as files do
 *
 * Nothing is signalled after `until_us`, since boot.
 */
bool reload_signal_send(const struct signal_order *order, uint64_t until_us, struct err *err);

#endif
