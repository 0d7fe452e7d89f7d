/*
 * span - durations as Go programs read and write them
 *
 * Vault takes "24h", "3600s", "1.5h", "1d" and bare seconds, and writes "24h0m0s" in its warnings.
 * Texts of replies have to match to the letter, so that what leafd makes of them is tested.
 */
#ifndef DEVCA_SPAN_H
#define DEVCA_SPAN_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* span_parse - whole seconds of a duration or of bare digits, signed; false for anything else */
bool span_parse(const char *text, int64_t *ret_seconds);

/* span_text - as Go's time.Duration prints it: 24h0m0s, 1m30s, 45s */
const char *span_text(struct arena *arena, uint64_t seconds);

/* span_short - as Vault's token store prints it, without what is zero: 24h, 1m30s */
const char *span_short(struct arena *arena, uint64_t seconds);

#endif
