#include "app/exit_code.h"

int exit_code_of(const struct err *err)
{
    return err->kind == ERR_REFUSED || err->kind == ERR_DENIED ? EXIT_REFUSED : EXIT_RETRY;
}

int exit_code_worse(int a, int b)
{
    return a > b ? a : b;
}
