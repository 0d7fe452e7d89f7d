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

#endif
