/*
 * exit_code - the exit codes of all commands
 */
#ifndef LEAFD_APP_EXIT_CODE_H
#define LEAFD_APP_EXIT_CODE_H

#include "base/err.h"

/* As in leafd(8), EXIT STATUS; a larger one is worse. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_RETRY = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,
    EXIT_HIDDEN = 4 /* this user may not read the state */
};

/* exit_code_of - EXIT_REFUSED for a failure of class refused or denied, else EXIT_RETRY */
int exit_code_of(const struct err *err);

/* exit_code_worse - the worse of two exit codes */
int exit_code_worse(int a, int b);

#endif
