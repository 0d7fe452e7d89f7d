/*
 * random - random numbers for jitter
 *
 * From the kernel, so that a thousand pods that start together get different numbers. Not for keys,
 * which OpenSSL makes.
 */
#ifndef LEAFD_BASE_RANDOM_H
#define LEAFD_BASE_RANDOM_H

#include <stdint.h>

/* random_draw - a random number, evenly spread over uint32_t; never blocks, never fails */
uint32_t random_draw(void);

/* random_share - the share of `of` that a random number stands for, in [0, of); never overflows */
uint64_t random_share(uint64_t of, uint32_t random);

#endif
