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
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#endif
