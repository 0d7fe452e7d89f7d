/*
 * base64url - the encoding of JSON Web Tokens (RFC 7515 appendix C)
 *
 * Base64 with - and _ and without padding.
 */
#ifndef DEVCA_BASE64URL_H
#define DEVCA_BASE64URL_H

#include "base/arena.h"

#include <stddef.h>

/* base64url_encode - the encoded text, in the arena */
char *base64url_encode(struct arena *arena, const void *data, size_t length);

/* base64url_decode - what `length` characters encode, with a NUL behind it; NULL if they do not */
unsigned char *base64url_decode(struct arena *arena, const char *text, size_t length,
                                size_t *ret_length);

#endif
