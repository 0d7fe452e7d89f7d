/*
 * unit - what every unit test includes, in the order that cmocka wants
 */
#ifndef LEAFD_TESTS_UNIT_H
#define LEAFD_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Whether valgrind runs the test: malloc and what /proc shows of the process are its own then. */
static inline bool unit_has_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

#endif
