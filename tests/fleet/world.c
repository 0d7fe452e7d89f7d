#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKDATED_S = 30 }; /* Vault's not_before_duration */

static void *must(void *memory)
{
    if (memory == NULL) {
        perror("fleet");
        exit(99);
    }
    return memory;
}

/* SplitMix64 (Steele, Lea, Flood 2014): a counter and a finaliser. */
static uint64_t next_random(struct world *world)
{
    uint64_t z = world->random += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t world_chance(struct world *world)
{
    return (uint32_t)(next_random(world) >> 32);
}

double world_between(struct world *world, double from, double to)
{
    return from + (to - from) * ((double)world_chance(world) / 4294967296.0);
}

static void schedule(struct world *world, struct agent *agent, uint64_t at_ms)
{
    uint64_t second = at_ms / 1000;

    agent->at_ms = at_ms;
    if (second >= world->bucket_count)
        second = world->bucket_count - 1; /* beyond what is simulated */
    agent->next = world->buckets[second];
    world->buckets[second] = (int32_t)(agent - world->agents);
}

struct world *world_open(const struct policy *policy, uint32_t agents, uint32_t life_s,
                         uint32_t boot_s, uint32_t horizon_s, uint64_t seed)
{
    struct world *world = must(calloc(1, sizeof *world));

    *world = (struct world){
        .policy = policy,
        .ca = {.per_s = agents},
        .agents = must(calloc(agents, sizeof(struct agent))),
        .agent_count = agents,
        .life_s = life_s,
        .busy_above = agents / 200, /* 500 for 100,000 */
        .buckets = must(malloc((horizon_s + 1) * sizeof(int32_t))),
        .bucket_count = horizon_s + 1,
        .random = seed,
    };
    memset(world->buckets, 0xff, world->bucket_count * sizeof(int32_t));
    for (uint32_t i = 0; i < agents; i++)
        schedule(world, &world->agents[i], (uint64_t)world_chance(world) * boot_s * 1000 >> 32);
    return world;
}

struct world *world_copy(const struct world *world)
{
    struct world *copy = must(malloc(sizeof *copy));

    *copy = *world;
    copy->agents = must(malloc(world->agent_count * sizeof(struct agent)));
    memcpy(copy->agents, world->agents, world->agent_count * sizeof(struct agent));
    copy->buckets = must(malloc(world->bucket_count * sizeof(int32_t)));
    memcpy(copy->buckets, world->buckets, world->bucket_count * sizeof(int32_t));
    copy->per_minute = NULL;
    return copy;
}

void world_free(struct world *world)
{
    if (world == NULL)
        return;
    free(world->agents);
    free(world->buckets);
    free(world->per_minute);
    free(world);
}

/* Whether the CA gives a certificate; a 429 tells when to come again. */
static bool is_answered(struct world *world, struct agent *agent)
{
    const struct ca *ca = &world->ca;

    agent->retry_after_s = 0;
    if (world->now_s >= ca->away_from_s && world->now_s < ca->away_to_s)
        return false;
    if (world->answered >= ca->per_s) {
        agent->retry_after_s = ca->retry_after_s;
        return false;
    }
    world->answered++;
    return true;
}

static void take_certificate(struct world *world, struct agent *agent)
{
    if (agent->serial > 0 && world->now_s >= agent->not_after_s)
        agent->has_expired = true;
    if (agent->serial == 0)
        world->tally.last_first_s = world->now_s;
    agent->serial++;
    agent->failures = agent->rounds = 0;
    agent->issued_s = world->now_s;
    agent->not_before_s = world->now_s > BACKDATED_S ? world->now_s - BACKDATED_S : 0;
    agent->not_after_s = world->now_s + world->life_s;
}

static void act(struct world *world, struct agent *agent)
{
    uint64_t now_ms = agent->at_ms;

    world->tried++;
    if (is_answered(world, agent)) {
        take_certificate(world, agent);
        schedule(world, agent, world->policy->due_s(world, agent) * 1000 + now_ms % 1000);
    } else {
        agent->failures++;
        world->tally.refused++;
        world->tally.last_refused_s = world->now_s;
        schedule(world, agent, now_ms + world->policy->wait_ms(world, agent, now_ms));
    }
}

static void count(struct world *world)
{
    struct tally *tally = &world->tally;

    tally->tries += world->tried;
    if (world->tried > tally->peak)
        tally->peak = world->tried;
    if (world->tried > world->busy_above)
        tally->busy_s++;
    if (world->per_minute != NULL && world->tried > world->per_minute[world->now_s / 60])
        world->per_minute[world->now_s / 60] = world->tried;
}

void world_run(struct world *world, uint32_t to_s)
{
    if (to_s > world->bucket_count - 1)
        to_s = world->bucket_count - 1; /* the last bucket holds what comes later */
    for (; world->now_s < to_s; world->now_s++) {
        int32_t *bucket = &world->buckets[world->now_s];

        world->answered = world->tried = 0;
        while (*bucket >= 0) {
            struct agent *agent = &world->agents[*bucket];

            *bucket = agent->next;
            act(world, agent);
        }
        count(world);
    }
}

void world_count_from_now(struct world *world)
{
    world->tally = (struct tally){.from_s = world->now_s};
    for (uint32_t i = 0; i < world->agent_count; i++)
        world->agents[i].has_expired = false;
}

uint32_t world_expired(const struct world *world)
{
    uint32_t expired = 0;

    for (uint32_t i = 0; i < world->agent_count; i++) {
        const struct agent *agent = &world->agents[i];

        expired += agent->has_expired || (agent->serial > 0 && world->now_s >= agent->not_after_s);
    }
    return expired;
}
