/*
 * moment - the wall clock in nanoseconds
 *
 * Vault tells when tokens end and certificates were revoked to the nanosecond.
 */
#ifndef DEVCA_MOMENT_H
#define DEVCA_MOMENT_H

#include "base/arena.h"

#include <stdint.h>

enum { MOMENT_SECOND = 1000000000 };

/* moment_now - nanoseconds since 1970 */
uint64_t moment_now(void);

/* moment_text - as RFC 3339 with nanoseconds, in UTC, in the arena */
const char *moment_text(struct arena *arena, uint64_t moment);

#endif
