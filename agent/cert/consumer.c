#include "cert/consumer.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static const char *const state_names[PROGRESS_COUNT] = {
    [PROGRESS_NONE] = "none",     [PROGRESS_PENDING] = "pending", [PROGRESS_RELOADED] = "reloaded",
    [PROGRESS_PROVEN] = "proven", [PROGRESS_FAILED] = "failed",
};

const char *consumer_progress_name(enum consumer_progress state)
{
    return state < PROGRESS_COUNT ? state_names[state] : "unknown";
}

static bool tells(const struct cert_config *cert)
{
    return cert->reloads.items[0].verb != RELOAD_NONE;
}

static bool proves(const struct cert_config *cert)
{
    return cert->prove.method != PROVE_NONE;
}

bool consumer_is_notified(const struct consumer_state *consumer, const struct cert_config *cert,
                          const char *generation)
{
    return !tells(cert) || strcmp(consumer->reloaded, generation) == 0;
}

/* Sections without a proof, and states of earlier releases, have `proven` set although the consumer
 * was not seen. */
static bool is_proven(const struct consumer_state *consumer, const char *generation)
{
    return strcmp(consumer->proven, generation) == 0 && consumer->served.serial[0] != '\0';
}

bool consumer_is_verified(const struct consumer_state *consumer, const struct cert_config *cert,
                          const char *generation)
{
    return consumer_is_notified(consumer, cert, generation) &&
           (!proves(cert) || is_proven(consumer, generation));
}

enum consumer_progress consumer_progress_of(const struct consumer_state *consumer,
                                            const struct cert_config *cert, const char *generation)
{
    if (!tells(cert) && !proves(cert))
        return PROGRESS_NONE;
    if (consumer_is_verified(consumer, cert, generation))
        return proves(cert) ? PROGRESS_PROVEN : PROGRESS_RELOADED;
    if (consumer->trouble.failures > 0)
        return PROGRESS_FAILED;
    return tells(cert) && consumer_is_notified(consumer, cert, generation) ? PROGRESS_RELOADED
                                                                           : PROGRESS_PENDING;
}

bool consumer_is_awaited(const struct consumer_state *consumer)
{
    return consumer->trouble.failures > 0 && consumer->missing && consumer->accepted[0] == '\0';
}

bool consumer_knows_leaf(const struct consumer_state *consumer, const char *fingerprint)
{
    uint64_t begin = fingerprint_begin(fingerprint);

    for (size_t i = 0; i < KNOWN_LEAVES_MOST && begin != 0; i++)
        if (consumer->known[i] == begin)
            return true;
    return false;
}

void consumer_note_leaf(struct consumer_state *consumer, const char *fingerprint)
{
    uint64_t begin = fingerprint_begin(fingerprint);

    if (begin == 0 || consumer_knows_leaf(consumer, fingerprint))
        return;
    memmove(&consumer->known[1], &consumer->known[0],
            sizeof consumer->known - sizeof consumer->known[0]);
    consumer->known[0] = begin;
}

void consumer_forget_tries(struct consumer_state *consumer)
{
    struct consumer_state kept = {.served = consumer->served};

    trouble_clear(&consumer->trouble);
    memcpy(kept.known, consumer->known, sizeof kept.known);
    *consumer = kept;
}

bool served_is_bad(const struct consumer_state *consumer, const struct cert_config *cert,
                   const char *generation, uint64_t now_s)
{
    const struct served_state *served = &consumer->served;
    bool is_known = proves(cert) && served->serial[0] != '\0';
    /* A consumer that was not reloaded still serves what it was seen to serve. */
    uint64_t still_served_s =
        consumer_is_notified(consumer, cert, generation) ? served->seen_s : now_s;

    return is_known && (served->foreign || still_served_s >= served->not_after_s);
}

void served_text(const struct served_state *served, const char *published_serial, uint64_t now_s,
                 char to[static SERVED_TEXT_BYTES])
{
    char time[DURATION_TEXT_BYTES];
    bool ended = now_s >= served->not_after_s;

    to[0] = '\0';
    if (served->serial[0] == '\0' || strcmp(served->serial, published_serial) == 0)
        return;
    duration_text(ended ? now_s - served->not_after_s : served->not_after_s - now_s, time);
    snprintf(to, SERVED_TEXT_BYTES,
             "the consumer was last seen to serve %sserial %s, which %s %s%s",
             served->foreign ? "a certificate that is none of this set's, " : "", served->serial,
             ended ? "ended" : "ends in", time, ended ? " ago" : "");
}

bool rollback_is_due(const struct consumer_state *consumer, const struct cert_config *cert,
                     const char *generation, const char *previous)
{
    return cert->rollback && !consumer->insists && consumer->refusals >= REFUSALS_ENOUGH &&
           strcmp(consumer->accepted, generation) != 0 && previous[0] != '\0' &&
           strcmp(consumer->accepted, previous) == 0;
}
