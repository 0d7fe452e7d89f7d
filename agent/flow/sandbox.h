/*
 * sandbox - what the process denies itself before it touches a secret
 */
#ifndef LEAFD_FLOW_SANDBOX_H
#define LEAFD_FLOW_SANDBOX_H

#include "base/err.h"

#include <stddef.h>

/*
 * sandbox_enter - no core dumps, no ptrace by equals, umask 077, signals blocked, secrets locked
 * away
 *
 * Blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD for the event loop and ignores SIGPIPE; raises the
 * limit of open files to what is allowed. `certs` sizes the secure heap. Once a process, before
 * threads are started and before OpenSSL makes a key. Fails with class local.
 */
bool sandbox_enter(size_t certs, struct err *err);

#endif
