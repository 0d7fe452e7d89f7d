/* What a server says before TLS begins: a byte for the protocol, one for the size of the parts in
 * which it arrives, then its words. */
#include "fuzz.h"

#include "prove/starttls.h"

#include <string.h>

/* Hears all of it in parts; how many bytes were used up when it ended. */
static size_t hear(struct starttls_talk *talk, const uint8_t *words, size_t size, size_t part,
                   enum starttls_step *ret_step)
{
    size_t at = 0;

    *ret_step = STARTTLS_WAITS;
    while (at < size && *ret_step == STARTTLS_WAITS) {
        size_t length = part < size - at ? part : size - at;

        *ret_step = starttls_hear(talk, words + at, length);
        at += length;
        fuzz_promise(talk->in_length <= sizeof talk->in && talk->out_length <= sizeof talk->out,
                     "both buffers have their size");
    }
    if (*ret_step == STARTTLS_FAILED)
        fuzz_words(talk->why, "a failure has printable words");
    return at;
}

static void begin(struct starttls_talk *talk, enum starttls kind)
{
    starttls_begin(talk, kind);
    talk->out_length = 0; /* it was sent */
}

/* However the network cuts it, it means the same; what follows READY makes it a failure. */
static void try_parts(enum starttls kind, const uint8_t *words, size_t size, size_t part)
{
    struct starttls_talk talk;
    enum starttls_step whole, cut;
    size_t heard;

    begin(&talk, kind);
    hear(&talk, words, size, size, &whole);
    begin(&talk, kind);
    heard = hear(&talk, words, size, part, &cut);
    fuzz_promise(cut == whole ||
                     (cut == STARTTLS_READY && heard < size && whole == STARTTLS_FAILED),
                 "the parts in which it arrives do not matter");
}

/* Whoever goes on for ever, and gets every answer that he waits for, is left alone in the end. */
static void try_endless(enum starttls kind, const uint8_t *words, size_t size, size_t part)
{
    struct starttls_talk talk;
    enum starttls_step step = STARTTLS_WAITS;
    size_t heard = 0;

    begin(&talk, kind);
    while (step == STARTTLS_WAITS) {
        for (size_t at = 0; at < size && step == STARTTLS_WAITS; at += part) {
            size_t length = part < size - at ? part : size - at;

            step = starttls_hear(&talk, words + at, length);
            heard += length;
            talk.out_length = 0;
        }
        fuzz_promise(heard <= STARTTLS_IN_MOST_BYTES + size, "what is heard has a ceiling");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum starttls kind;
    size_t part;

    if (size < 3)
        return 0;
    kind = (enum starttls)(STARTTLS_NONE + 1 + data[0] % (STARTTLS_COUNT - 1));
    part = 1 + data[1] % 64;
    try_parts(kind, data + 2, size - 2, part);
    try_endless(kind, data + 2, size - 2, part * 16);
    return 0;
}
