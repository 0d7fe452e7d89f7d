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

#include "base/cert_request.h"

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

/* Whether to make such a key takes minutes; the code is that of RSA 2048. */
static inline bool unit_takes_minutes(enum key_type type)
{
    return unit_has_valgrind() && (type == KEY_RSA_3072 || type == KEY_RSA_4096);
}

#endif
