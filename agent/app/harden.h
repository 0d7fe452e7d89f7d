/*
 * harden - hardens the process before it handles a secret
 */
#ifndef LEAFD_APP_HARDEN_H
#define LEAFD_APP_HARDEN_H

#include "base/err.h"
#include "config/config.h"

/*
 * harden_begin - the part that does not need the configuration; the first call in main
 *
 * Turns off core dumps and ptrace by processes of the same user; sets umask 077; opens standard
 * input, output and error if they are closed, so that no other file gets their numbers; blocks
 * SIGTERM, SIGINT, SIGHUP and SIGCHLD, so that they stay pending until the event loop runs; removes
 * most of the environment.
 */
void harden_begin(void);

/* harden_relax - for a process that only reads: unblocks the signals, and wipes the token of the
 * environment */
void harden_relax(void);

/*
 * harden_enter - protects secrets in memory, before the first login or key
 *
 * Blocks the signals of harden_begin again and ignores SIGPIPE. Raises the soft limit of open
 * files, and logs advice if it stays too low. Opens the secure heap, sized by max_in_flight and the
 * largest key type, and moves the token of the environment onto it. Call it once, before threads
 * are started and before OpenSSL makes a key. Fails with class local.
 */
bool harden_enter(const struct config *config, struct err *err);

#endif
