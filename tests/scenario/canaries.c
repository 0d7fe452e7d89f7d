/*
 * canaries - finds eight bytes of many secrets in what left a process
 *
 * Loaded into the tests (canaries.py): a scenario's output is searched for every piece of every
 * secret at once, at some nanoseconds a byte.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 8, FILTER_BITS = 1 << 20 };

struct canaries {
    size_t count;
    uint64_t *pieces; /* sorted */
    unsigned char filter[FILTER_BITS / 8];
};

static size_t bit_of(uint64_t piece)
{
    return (size_t)(piece * 0x9e3779b97f4a7c15 >> 44);
}

static int by_value(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

struct canaries *canaries_new(const unsigned char *pieces, size_t count)
{
    struct canaries *canaries = calloc(1, sizeof *canaries);

    canaries->count = count;
    canaries->pieces = malloc(count * PIECE_BYTES + 1);
    memcpy(canaries->pieces, pieces, count * PIECE_BYTES);
    qsort(canaries->pieces, count, PIECE_BYTES, by_value);
    for (size_t i = 0; i < count; i++) {
        size_t bit = bit_of(canaries->pieces[i]);

        canaries->filter[bit / 8] |= (unsigned char)(1 << bit % 8);
    }
    return canaries;
}

/* Where the first piece at or behind `at` stands, or the length. */
size_t canaries_find(const struct canaries *canaries, const char *text, size_t length, size_t at)
{
    for (; at + PIECE_BYTES <= length; at++) {
        uint64_t piece;
        size_t bit;

        memcpy(&piece, text + at, PIECE_BYTES);
        bit = bit_of(piece);
        if ((canaries->filter[bit / 8] >> bit % 8 & 1) != 0 &&
            bsearch(&piece, canaries->pieces, canaries->count, PIECE_BYTES, by_value) != NULL)
            return at;
    }
    return length;
}

void canaries_free(struct canaries *canaries)
{
    free(canaries->pieces);
    free(canaries);
}
