/*
 * environment - leafd's environment, and the part of it that libraries may see
 *
 * Variables control OpenSSL, libcurl and libc: OPENSSL_CONF loads code, SSLKEYLOGFILE writes
 * session keys to a file, RES_OPTIONS and others change name resolution. leafd must be controlled
 * only by its configuration. So the environment is reduced to a list before any library is used;
 * the configuration can still read the original variables, except tokens.
 */
#ifndef LEAFD_BASE_ENVIRONMENT_H
#define LEAFD_BASE_ENVIRONMENT_H

#include "base/secret.h"

/*
 * environment_narrow - keeps only the variables of systemd's protocols; call it once, first in main
 *
 * Keeps the original variables for environment_get. Allocates nothing, calls no library.
 */
void environment_narrow(void);

/*
 * environment_get - the original value of a variable; NULL if it was not set
 *
 * NULL for the variables of a token: see environment_token. Without environment_narrow (unit tests)
 * it is getenv(3).
 */
const char *environment_get(const char *name);

/* environment_is_token - whether the variable of that name holds a token: BAO_TOKEN, VAULT_TOKEN */
bool environment_is_token(const char *name);

/* environment_has_token - whether leafd was started with BAO_TOKEN or VAULT_TOKEN */
bool environment_has_token(void);

/*
 * environment_take_token - moves the token onto the secure heap
 *
 * BAO_TOKEN takes precedence over VAULT_TOKEN, even if it is empty. Both are wiped in the memory
 * that /proc/PID/environ shows. Needs the secure heap. Fails with class local.
 */
bool environment_take_token(struct err *err);

/* environment_forget_token - wipes the token, for a process that does not log in */
void environment_forget_token(void);

/* environment_token - the token that was taken, borrowed; NULL if there is none */
const struct secret *environment_token(void);

#endif
