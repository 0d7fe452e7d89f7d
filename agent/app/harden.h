/*
 * harden - what the process denies itself before it touches a secret
 */
#ifndef LEAFD_APP_HARDEN_H
#define LEAFD_APP_HARDEN_H

#include "base/err.h"
#include "config/config.h"

/*
 * harden_begin - what cannot wait for the configuration; the first thing in main
 *
 * No core dumps, no ptrace by equals, umask 077; standard input, output and error lead somewhere,
 * so that no file of ours becomes one of them; SIGTERM, SIGINT, SIGHUP and SIGCHLD are blocked, so
 * that one that comes before the event loop waits for it; the environment is narrowed.
 */
void harden_begin(void);

/* harden_relax - for a process that only looks: signals end it, and it has no use for a token */
void harden_relax(void);

/*
 * harden_enter - locks secrets away, before the first login or key
 *
 * Blocks the signals of harden_begin again and ignores SIGPIPE. Raises the soft limit of open files
 * and says so where it stays too low. Opens the secure heap, sized by what may be in flight and by
 * the longest type of key, and moves the token of the environment onto it. Once a process, before
 * threads are started and before OpenSSL makes a key. Fails with class local.
 */
bool harden_enter(const struct config *config, struct err *err);

#endif
