/*
 * world - a fleet of agents, one CA, and simulated time
 *
 * Discrete events in buckets of a second; every agent has exactly one event to come. An agent is a
 * policy and a few numbers: when its certificate ends, how often it failed in a row. The CA answers
 * so many requests a second, is away for a while, and counts what arrives. All randomness comes out
 * of one small generator: the same seed gives the same run on every machine.
 *
 * What is counted is tries: one for each time that an agent goes to the CA for a certificate. The
 * login that may come before it is not counted, for no policy.
 */
#ifndef LEAFD_TESTS_FLEET_WORLD_H
#define LEAFD_TESTS_FLEET_WORLD_H

#include <stdbool.h>
#include <stdint.h>

struct world;

/* Who asks: what its certificate is, and what it remembers of its failures. */
struct agent {
    uint64_t at_ms; /* of its next event */
    uint32_t not_before_s, not_after_s, issued_s;
    uint32_t serial;   /* how many certificates it has had; 0: none */
    uint32_t failures; /* in a row */
    uint32_t rounds;   /* of its policy, if failures come in rounds */
    uint32_t retry_after_s;
    int32_t next; /* in the bucket; -1: last */
    bool has_expired;
};

/* How an agent of a kind behaves. Both are given the second or millisecond that it is. */
struct policy {
    const char *name, *rule; /* for the table */
    uint64_t (*due_s)(struct world *world, const struct agent *agent);
    uint64_t (*wait_ms)(struct world *world, struct agent *agent, uint64_t now_ms);
};

struct ca {
    uint32_t per_s;         /* what it answers; whatever is above is told 429 */
    uint32_t retry_after_s; /* with the 429; 0: none is told */
    uint32_t away_from_s, away_to_s;
};

struct tally {
    uint32_t peak;   /* tries in the busiest second */
    uint32_t busy_s; /* seconds with more tries than the fleet may make */
    uint32_t from_s; /* counted from here on */
    uint64_t tries, refused;
    uint32_t last_refused_s; /* the last second in which the CA refused one */
    uint32_t last_first_s;   /* the last second in which an agent got its first certificate */
};

struct world {
    const struct policy *policy;
    struct ca ca;
    struct agent *agents;
    uint32_t agent_count, life_s, busy_above;
    int32_t *buckets; /* first agent of each second */
    uint32_t bucket_count, now_s;
    uint32_t answered, tried; /* within the second */
    uint32_t *per_minute;     /* busiest second of each minute; NULL: not wanted */
    uint64_t random;
    struct tally tally;
};

/* world_open - a fleet that boots evenly within boot_s, with room for the time until horizon_s */
struct world *world_open(const struct policy *policy, uint32_t agents, uint32_t life_s,
                         uint32_t boot_s, uint32_t horizon_s, uint64_t seed);

/* world_copy - the same world at the same moment, to go another way; the copy is freed alone */
struct world *world_copy(const struct world *world);

/* world_free - NULL is fine */
void world_free(struct world *world);

/* world_run - lets time pass, up to the second to_s */
void world_run(struct world *world, uint32_t to_s);

/* world_count_from_now - begins a new tally */
void world_count_from_now(struct world *world);

/* world_expired - agents whose certificate has ended at least once, now included */
uint32_t world_expired(const struct world *world);

/* world_chance - the next random number, evenly spread */
uint32_t world_chance(struct world *world);

/* world_between - a random number in [from, to) */
double world_between(struct world *world, double from, double to);

#endif
