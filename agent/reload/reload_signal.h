/*
 * reload_signal - tells a process by signal that its files have changed
 *
 * The process is held by a pidfd before it is looked at and signalled through it, so that a pid
 * which the kernel gives to somebody else in between is never signalled. A pidfile that is older
 * than the process it names is left over from another one. A process that the signal would end,
 * since it neither catches, blocks nor ignores it, is not the consumer, or one that has not begun
 * to listen: it is spared. SIGTERM, SIGINT and SIGQUIT are meant to end it and are sent. Nothing is
 * kept from one reload to the next: the pidfile is read anew, and one that is not there is a
 * failure like any other.
 */
#ifndef LEAFD_RELOAD_RELOAD_SIGNAL_H
#define LEAFD_RELOAD_RELOAD_SIGNAL_H

#include "base/err.h"

#include <stdbool.h>

/* reload_signal_pidfile - signals the process that the pidfile names; fails with class consumer */
bool reload_signal_pidfile(const char *path, int signal, struct err *err);

/*
 * reload_signal_process - signals every process of that name whose parent has another name
 *
 * So that the master gets the signal and its workers do not. The name is /proc/PID/comm, at most 15
 * bytes. Fails with class consumer, also if there is none.
 */
bool reload_signal_process(const char *name, int signal, struct err *err);

#endif
