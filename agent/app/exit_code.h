/*
 * exit_code - how a command ends, for whoever started it
 */
#ifndef LEAFD_APP_EXIT_CODE_H
#define LEAFD_APP_EXIT_CODE_H

#include "base/err.h"

/* Exit codes, as leafd(8) lists them; the larger the worse. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_RETRY = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,
    EXIT_HIDDEN = 4 /* this user may not read what would tell */
};

/* exit_code_of - EXIT_REFUSED for what the CA refused or denied, else EXIT_RETRY */
int exit_code_of(const struct err *err);

/* exit_code_worse - the one of two that tells of more trouble */
int exit_code_worse(int a, int b);

#endif
