#include "must.h"

#include <openssl/err.h>

#include <stdio.h>
#include <stdlib.h>

_Noreturn void must_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "devca: %s:%d: this does not hold: %s\n", file, line, condition);
    ERR_print_errors_fp(stderr);
    abort();
}
