/*
 * starve - the orders of the allocator that fails: the memory suite writes, starve.c obeys
 *
 * A file that both sides map; tests/torture/memory.py names the same fields in the same order.
 */
#ifndef TORTURE_STARVE_H
#define TORTURE_STARVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { STARVE_FRAMES = 24 };

struct starve_orders {
    _Atomic uint32_t armed;  /* allocations are counted, and fail in their turn */
    _Atomic uint32_t at;     /* the first to fail, counted from 1 */
    _Atomic uint32_t times;  /* how many fail */
    _Atomic uint32_t seen;   /* back: allocations since it was armed */
    _Atomic uint32_t failed; /* back: those that failed */
    _Atomic uint32_t spare;
    _Atomic int64_t live, live_bytes; /* back: what is allocated and not freed */
    uint64_t frames[STARVE_FRAMES];   /* back: who asked for the first that failed; 0 ends it */
};

#endif
