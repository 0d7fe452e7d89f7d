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
 * Blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD for the event loop and ignores SIGPIPE. `certs` sizes
 * the secure heap. Once a process, before threads are started and before OpenSSL makes a key. Fails
 * with class local.
 */
bool sandbox_enter(size_t certs, struct err *err);

/*
 * sandbox_allow_files - raises the soft limit of open files to what so many certificates need
 *
 * No further than is needed, since commands inherit it and a consumer may use select(2); up to the
 * hard limit at most.
 */
void sandbox_allow_files(size_t certs);

#endif
