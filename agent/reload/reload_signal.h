/*
 * reload_signal - reloads a process by a signal
 *
 * A pidfd holds the process before it is checked and carries the signal, so that a pid which the
 * kernel reuses in between is never signalled. The user of the process decides: for a pidfile, that
 * user or root must be the only possible writer; for a name, only processes of allowed users count.
 * A pidfile that is older than the process that it names is stale. A process that the signal would
 * terminate, because it neither catches, blocks nor ignores it, is not the consumer, or has not
 * installed its handler yet: it gets no signal. SIGTERM, SIGINT and SIGQUIT are meant to terminate
 * it and are sent. The pidfile is read anew at each reload; a missing one is a failure like any
 * other.
 */
#ifndef LEAFD_RELOAD_RELOAD_SIGNAL_H
#define LEAFD_RELOAD_RELOAD_SIGNAL_H

#include "base/worker.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct signal_order {
    int signal;
    const char *pidfile; /* absolute path of the pidfile; NULL: use `name` */
    const char *name;    /* /proc/PID/comm, at most 15 bytes */
    uid_t user; /* with `name`: the user beside our own whose processes count; else geteuid() */
};

/*
 * reload_signal_start - signals the process that the pidfile names, or all processes of the name
 *
 * The file and all directories on the way to it must belong to root or to the user of that process,
 * and be writable for nobody else (base/trust).
 *
 * By name, every process is signalled whose parent has another name, so that the master gets the
 * signal and its workers do not. Only processes of our user or the named one, in our PID namespace,
 * count; processes of other users neither get a signal nor make the reload fail. If some of them
 * execute a program of that name, those that only have the name get none.
 *
 * A worker reads the file and /proc, since either may be on a mount that hangs. It sends no signal
 * after `limit_s` seconds. Borrows `order` during the call. Fails with class local if the pidfile
 * is not trusted, else with class consumer; err->nobody says that no such process runs. NULL with
 * *err filled if memory or threads ran out (class local).
 */
struct slot *reload_signal_start(sd_event *loop, struct workers *workers,
                                 const struct signal_order *order, uint64_t limit_s,
                                 slot_done *on_done, void *arg, struct err *err);

/*
 * reload_signal_send - the same, blocking; for a worker or a test
 *
 * Sends no signal after `until_us`, on the boot clock.
 */
bool reload_signal_send(const struct signal_order *order, uint64_t until_us, struct err *err);

#endif
