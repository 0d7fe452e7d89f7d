/* The state of a set, "..state": as any bytes on the disk, and as any state that is written. */
#include "fuzz.h"

#include "base/text.h"
#include "install/cert_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is left of the input; an end without end reads as zeros. */
struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | (input->at < input->end ? *input->at++ : 0);
    return value;
}

static void take_text(struct input *input, char *to, size_t size)
{
    size_t length = take(input, 2) % size;

    for (size_t i = 0; i < length; i++)
        to[i] = (char)take(input, 1);
    to[length] = '\0';
}

static void take_generation(struct input *input, char to[static GENERATION_NAME_BYTES])
{
    if ((take(input, 1) & 1) != 0)
        snprintf(to, GENERATION_NAME_BYTES, "..2026_11_%02u_21_28_41.%06x",
                 (unsigned)take(input, 1) % 100, (unsigned)take(input, 3));
}

static uint64_t take_moment(struct input *input)
{
    return take(input, 8) >> 1;
}

static void take_consumer(struct input *input, struct consumer_state *consumer)
{
    take_generation(input, consumer->accepted);
    take_generation(input, consumer->reloaded);
    take_generation(input, consumer->proven);
    take_generation(input, consumer->refused);
    consumer->refusals = (unsigned)take(input, 4);
    consumer->missing = take(input, 1) & 1;
    consumer->insists = take(input, 1) & 1;
    take_text(input, consumer->served.serial, sizeof consumer->served.serial);
    if (consumer->served.serial[0] != '\0') {
        consumer->served.not_after_s = take_moment(input);
        consumer->served.seen_s = take_moment(input);
        consumer->served.foreign = take(input, 1) & 1;
        consumer->served.chain_verified = take(input, 1) & 1;
    }
    for (size_t i = 0; i < KNOWN_LEAVES_MOST; i++) {
        consumer->known[i] = take(input, 8);
        if (consumer->known[i] == 0)
            return;
    }
}

/* One that is owned; NULL for "". */
static void take_kept(struct input *input, char **ret_text, size_t bytes)
{
    char text[SERIAL_TEXT_BYTES + KEY_IDENTIFIER_BYTES];

    take_text(input, text, bytes);
    *ret_text = text[0] == '\0' ? NULL : strdup(text);
}

static void take_ca(struct input *input, struct ca_state *ca)
{
    ca->has_baseline = take(input, 1) & 1;
    ca->early_at_s = take_moment(input);
    take_kept(input, &ca->revoked, SERIAL_TEXT_BYTES);
    ca->revoked_count = (unsigned)take(input, 4);
    ca->revoked_at_s = take_moment(input);
    ca->replace_at_s = take_moment(input);
    ca->held_until_s = take_moment(input);
    for (size_t i = 0; i < CA_KNOWN_MOST; i++) {
        take_kept(input, &ca->known[i], KEY_IDENTIFIER_BYTES);
        if (ca->known[i] == NULL)
            return;
    }
}

static void take_trouble(struct input *input, struct trouble *trouble)
{
    struct err failure = {0};

    trouble->failures = (unsigned)take(input, 4);
    trouble->failed_at_s = take_moment(input);
    trouble->try_again_at_s = take_moment(input);
    failure.kind = (enum err_kind)(take(input, 1) % ERR_KIND_COUNT);
    take_text(input, failure.text, sizeof failure.text);
    if (failure.kind != ERR_NONE)
        trouble_set(trouble, &failure);
}

static void take_state(struct input *input, struct cert_state *state)
{
    take_trouble(input, &state->issuing);
    take_trouble(input, &state->consumer.trouble);
    take_generation(input, state->held);
    state->restart.in_order = take(input, 1) & 1;
    state->restart.count = (unsigned)take(input, 4);
    state->restart.since_s = take_moment(input);
    take_text(input, state->restart.asked_with, sizeof state->restart.asked_with);
    take_consumer(input, &state->consumer);
    take_ca(input, &state->ca);
}

/* What a person can read is kept as it is. Of the rest every text that was read is made printable;
 * that is no reason to lose what stands beside it. */
static void promise_text(const char *written, const char *read, const char *what)
{
    char printable[ERR_TEXT_BYTES];

    text_printable(printable, sizeof printable, written);
    fuzz_promise(strcmp(written, read) == 0 || strcmp(written, printable) != 0, what);
}

static bool same_consumer(const struct consumer_state *a, const struct consumer_state *b)
{
    for (size_t i = 0; i < KNOWN_LEAVES_MOST; i++)
        fuzz_promise(a->known[i] == b->known[i], "a leaf that was known is known");
    promise_text(a->served.serial, b->served.serial, "the serial number served");
    return strcmp(a->accepted, b->accepted) == 0 && strcmp(a->reloaded, b->reloaded) == 0 &&
           strcmp(a->proven, b->proven) == 0 && strcmp(a->refused, b->refused) == 0 &&
           a->refusals == b->refusals && a->missing == b->missing && a->insists == b->insists &&
           a->served.not_after_s == b->served.not_after_s && a->served.seen_s == b->served.seen_s &&
           a->served.foreign == b->served.foreign &&
           a->served.chain_verified == b->served.chain_verified;
}

static const char *kept(const char *text)
{
    return text == NULL ? "" : text;
}

static bool same_ca(const struct ca_state *a, const struct ca_state *b)
{
    for (size_t i = 0; i < CA_KNOWN_MOST; i++)
        promise_text(kept(a->known[i]), kept(b->known[i]), "an issuer that was known is known");
    promise_text(kept(a->revoked), kept(b->revoked), "the serial number revoked");
    return a->has_baseline == b->has_baseline && a->early_at_s == b->early_at_s &&
           a->revoked_count == b->revoked_count && a->revoked_at_s == b->revoked_at_s &&
           a->replace_at_s == b->replace_at_s && a->held_until_s == b->held_until_s;
}

static void same_trouble(const struct trouble *a, const struct trouble *b)
{
    fuzz_promise(a->failures == b->failures && a->failed_at_s == b->failed_at_s &&
                     a->try_again_at_s == b->try_again_at_s &&
                     trouble_err(a)->kind == trouble_err(b)->kind,
                 "what was written is read: the failures");
    promise_text(trouble_err(a)->text, trouble_err(b)->text, "what was written is read: the text");
}

/* Written and read again, it is the same. */
static void try_write(int set_fd, const struct cert_state *state)
{
    struct cert_state again;
    struct err err;

    fuzz_promise(cert_state_write(set_fd, state, &err), "every state can be written");
    cert_state_read(set_fd, &again);
    fuzz_promise(strcmp(state->held, again.held) == 0, "what was written is read: what is held");
    same_trouble(&state->issuing, &again.issuing);
    same_trouble(&state->consumer.trouble, &again.consumer.trouble);
    promise_text(state->restart.asked_with, again.restart.asked_with, "the credential's stamp");
    fuzz_promise(state->restart.in_order == again.restart.in_order &&
                     state->restart.count == again.restart.count &&
                     state->restart.since_s == again.restart.since_s,
                 "what was written is read: the restarts");
    fuzz_promise(same_ca(&state->ca, &again.ca), "what was written is read: the CA");
    fuzz_promise(same_consumer(&state->consumer, &again.consumer),
                 "what was written is read: the consumer");
    cert_state_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int set_fd = open(fuzz_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct cert_state *state = calloc(1, sizeof *state); /* its ends are watched there */

    fuzz_promise(set_fd >= 0 && state != NULL, "a directory");
    if (size > 0 && data[0] == '{') {
        fuzz_file("..state", data, size);
        cert_state_read(set_fd, state);
        fuzz_promise(trouble_err(&state->issuing)->kind < ERR_KIND_COUNT, "a class that exists");
    } else {
        take_state(&(struct input){data, data + size}, state);
    }
    try_write(set_fd, state);
    cert_state_free(state);
    free(state);
    close(set_fd);
    return 0;
}
