/*
 * chance - random numbers for jitter
 *
 * From the kernel, so that a thousand pods that start together do not draw the same ones. Not for
 * keys: OpenSSL makes those.
 */
#ifndef LEAFD_BASE_CHANCE_H
#define LEAFD_BASE_CHANCE_H

#include <stdint.h>

/* chance_draw - a random number, evenly spread over uint32_t; never blocks, never fails */
uint32_t chance_draw(void);

/* chance_share - the share of `of` that a random number stands for, in [0, of); never overflows */
uint64_t chance_share(uint64_t of, uint32_t chance);

#endif
