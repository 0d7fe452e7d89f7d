/*
 * environment - what leafd was started with, and the little of it that libraries get to see
 *
 * OpenSSL, libcurl and libc take orders from variables: OPENSSL_CONF loads code, SSLKEYLOGFILE
 * writes the keys of every session to a file, RES_OPTIONS and its like change what names lead to.
 * None of them is the configuration's. So the environment is narrowed to a list before any library
 * is used; the configuration goes on reading what leafd was started with. Tokens are taken out.
 */
#ifndef LEAFD_BASE_ENVIRONMENT_H
#define LEAFD_BASE_ENVIRONMENT_H

#include "base/secret.h"

/*
 * environment_narrow - leaves libraries only what systemd's protocols need; once, first in main
 *
 * Remembers the variables as they were for environment_get. Allocates nothing, calls no library.
 */
void environment_narrow(void);

/*
 * environment_get - the value of a variable as leafd was started with it; NULL if it was not set
 *
 * The variables of a token are not set, whoever asks: see environment_token. Where nobody has
 * narrowed the environment (unit tests) it is getenv(3).
 */
const char *environment_get(const char *name);

/* environment_is_token - whether the variable of that name holds a token: BAO_TOKEN, VAULT_TOKEN */
bool environment_is_token(const char *name);

/* environment_has_token - whether leafd was started with BAO_TOKEN or VAULT_TOKEN */
bool environment_has_token(void);

/*
 * environment_take_token - moves the token onto the secure heap
 *
 * BAO_TOKEN goes before VAULT_TOKEN, also where it is empty. Its bytes are wiped where the kernel
 * put them, which is what /proc/PID/environ shows; so are those of the other one. Called once the
 * secure heap is open. Fails with class local.
 */
bool environment_take_token(struct err *err);

/* environment_forget_token - wipes it without taking it, for a process that does not log in */
void environment_forget_token(void);

/* environment_token - the token that was taken, which stays ours; NULL if there is none */
const struct secret *environment_token(void);

#endif
