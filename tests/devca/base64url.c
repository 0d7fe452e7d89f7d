#include "base64url.h"

#include "must.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(struct arena *arena, const void *data, size_t length)
{
    const unsigned char *from = data;
    char *text = arena_take(arena, length / 3 * 4 + 5);
    size_t used = 0;
    unsigned held = 0, bits = 0;

    MUST(text != NULL);
    for (size_t i = 0; i < length; i++) {
        held = held << 8 | from[i];
        bits += 8;
        for (; bits >= 6; bits -= 6)
            text[used++] = letters[held >> (bits - 6) & 63];
    }
    if (bits > 0)
        text[used] = letters[held << (6 - bits) & 63];
    return text;
}

unsigned char *base64url_decode(struct arena *arena, const char *text, size_t length,
                                size_t *ret_length)
{
    unsigned char *data = arena_take(arena, length + 1);
    size_t used = 0;
    unsigned held = 0, bits = 0;

    MUST(data != NULL);
    for (size_t i = 0; i < length; i++) {
        const char *letter = text[i] == '\0' ? NULL : strchr(letters, text[i]);

        if (letter == NULL)
            return NULL;
        held = held << 6 | (unsigned)(letter - letters);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            data[used++] = (unsigned char)(held >> bits);
        }
    }
    data[used] = '\0';
    *ret_length = used;
    return length % 4 == 1 ? NULL : data;
}
