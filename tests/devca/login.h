/*
 * login - credentials against a token
 *
 * The four auth methods that leafd knows, each on the mount of its own name.
 */
#ifndef DEVCA_LOGIN_H
#define DEVCA_LOGIN_H

#include "request.h"

/* login - POST auth/MOUNT/login */
handler login;

#endif
