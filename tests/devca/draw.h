/*
 * draw - things drawn at random
 *
 * Serial numbers, tokens, identifiers. From libcrypto's generator.
 */
#ifndef DEVCA_DRAW_H
#define DEVCA_DRAW_H

#include <stddef.h>

enum { UUID_BYTES = 37 };

/* draw_bytes - fills `to` with random bytes */
void draw_bytes(void *to, size_t length);

/* draw_uuid - a random identifier such as 8e70df34-93ee-9d12-0dea-57d899ab067a, as Vault draws them
 */
void draw_uuid(char to[static UUID_BYTES]);

/* draw_word - `length` random letters and digits, then a NUL */
void draw_word(char *to, size_t length);

#endif
