#include "draw.h"

#include "must.h"

#include <openssl/rand.h>

#include <stdio.h>

void draw_bytes(void *to, size_t length)
{
    MUST(RAND_bytes(to, (int)length) == 1);
}

void draw_uuid(char to[static UUID_BYTES])
{
    unsigned char raw[16];
    size_t used = 0;

    draw_bytes(raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++)
        used += (size_t)snprintf(to + used, UUID_BYTES - used, "%s%02x",
                                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", raw[i]);
}

void draw_word(char *to, size_t length)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB";

    draw_bytes(to, length);
    for (size_t i = 0; i < length; i++)
        to[i] = letters[(unsigned char)to[i] % 64];
    to[length] = '\0';
}
