/*
 * fleet - what a whole fleet of agents does to its CA, and what an outage does to the fleet
 *
 *     fleet                       the slice that `make check` runs: 10,000 agents, seconds
 *     fleet --full [--svg FILE]   100,000 agents, every table of RESULTS.md
 *     --seed N --agents N         another run
 *
 * Simulates leafd's own schedule and backoff (policies.c) and models of its peers against one CA
 * that answers 500 requests a second for each 100,000 agents. The fleet boots within a minute, the
 * worst case for whoever has no jitter; an outage begins at each 24th of a certificate's life, and
 * the worst of the 24 is told. All rates are for 100,000 agents. Exit status 1 if leafd does not
 * keep its promises: nothing expired in any outage of up to 10 of 24 hours, and never more than 500
 * requests a second but for a cold start, when the whole fleet has no certificate.
 */
#include "chart.h"
#include "policies.h"
#include "polls.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    HOUR = 3600,
    DAY = 86400,
    BOOT_S = 60,
    PHASES = 24,
    CA_PER_S = 500, /* for 100,000 agents */
    PROMISED_H = 10,
    WHOLE_FLEET = 100000
};

static const uint32_t outage_hours[] = {1, 2, 4, 6, 8, 10, 12};
enum { OUTAGES = sizeof outage_hours / sizeof *outage_hours };

struct plan {
    uint32_t agents, phases;
    uint64_t seed;
};

/* The worst over all phases. */
struct outcome {
    double expired_percent, peak, mean, busy_s, drained_s;
    uint32_t expired;
};

static bool broken;

static void promise(bool kept, const char *what)
{
    if (kept)
        return;
    broken = true;
    fprintf(stderr, "fleet: broken promise: %s\n", what);
}

static double scaled(const struct world *world, double rate)
{
    return rate * 100000 / world->agent_count;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* -- one outage ----------------------------------------------------------------------------------
 */

/* Goes on from `before` with an outage that begins now, until everybody has recovered. */
static void suffer(const struct world *before, uint32_t outage_s, struct outcome *worst)
{
    struct world *world = world_copy(before);
    uint32_t from_s = world->now_s, expired;

    world_count_from_now(world);
    world->ca.away_from_s = from_s;
    world->ca.away_to_s = from_s + outage_s;
    world_run(world, from_s + outage_s + world->life_s);
    expired = world_expired(world);
    worst->expired = expired > worst->expired ? expired : worst->expired;
    worst->expired_percent = worst->expired * 100.0 / world->agent_count;
    worst->peak = larger(worst->peak, scaled(world, world->tally.peak));
    worst->busy_s = larger(worst->busy_s, world->tally.busy_s);
    worst->mean =
        larger(worst->mean, scaled(world, (double)world->tally.tries) / (world->now_s - from_s));
    if (world->tally.last_refused_s > world->ca.away_to_s)
        worst->drained_s =
            larger(worst->drained_s, world->tally.last_refused_s - (double)world->ca.away_to_s);
    world_free(world);
}

static struct world *boot(const struct plan *plan, const struct policy *policy, uint32_t life_s,
                          uint32_t horizon_s)
{
    struct world *world = world_open(policy, plan->agents, life_s, BOOT_S, horizon_s, plan->seed);

    world->ca.per_s = (uint32_t)((uint64_t)CA_PER_S * plan->agents / 100000);
    return world;
}

/* The worst that outages of each of these lengths do, whenever in the second life they begin. */
static void try_outages(const struct plan *plan, const struct policy *policy, uint32_t life_s,
                        const uint32_t *outages_s, size_t count, struct outcome *ret_worst)
{
    uint32_t longest_s = outages_s[count - 1];
    struct world *world = boot(plan, policy, life_s, 3 * life_s + longest_s);

    memset(ret_worst, 0, count * sizeof *ret_worst);
    for (uint32_t phase = 0; phase < plan->phases; phase++) {
        world_run(world, life_s + (uint32_t)((uint64_t)life_s * phase / plan->phases));
        for (size_t i = 0; i < count; i++)
            suffer(world, outages_s[i], &ret_worst[i]);
    }
    world_free(world);
}

static struct outcome try_outage(const struct plan *plan, const struct policy *policy,
                                 uint32_t life_s, uint32_t outage_s)
{
    struct outcome worst;

    try_outages(plan, policy, life_s, &outage_s, 1, &worst);
    return worst;
}

/* The longest outage, in steps of a 48th of the life, in which nothing expires. */
static uint32_t longest_survived(const struct plan *plan, const struct policy *policy,
                                 uint32_t life_s, struct outcome *ret_there,
                                 struct outcome *ret_next)
{
    uint32_t step_s = life_s / 48, fine = 0, bad = 30;

    *ret_there = *ret_next = (struct outcome){0};
    while (bad - fine > 1) {
        uint32_t middle = (fine + bad) / 2;
        struct outcome outcome = try_outage(plan, policy, life_s, middle * step_s);

        if (outcome.expired == 0) {
            fine = middle;
            *ret_there = outcome;
        } else {
            bad = middle;
            *ret_next = outcome;
        }
    }
    return fine * step_s;
}

/* -- tables --------------------------------------------------------------------------------------
 */

static double steady_mean(const struct plan *plan, const struct policy *policy, uint32_t life_s)
{
    struct world *world = boot(plan, policy, life_s, 6 * life_s);
    double mean;

    world_run(world, 2 * life_s);
    world_count_from_now(world);
    world_run(world, 5 * life_s);
    mean = scaled(world, (double)world->tally.tries) / (3.0 * life_s);
    world_free(world);
    return mean;
}

static double steady_peak(const struct plan *plan, const struct policy *policy, uint32_t life_s)
{
    struct world *world = boot(plan, policy, life_s, 4 * life_s);
    double peak;

    world_run(world, life_s / 4);
    world_count_from_now(world);
    world_run(world, 3 * life_s);
    peak = scaled(world, world->tally.peak);
    world_free(world);
    return peak;
}

static void compare(const struct plan *plan, uint32_t life_s)
{
    printf("\n### Certificates that live %g h\n\n", life_s / 3600.0);
    printf("| policy | rule | longest outage, 0 expired | one step longer | steady mean /s | "
           "steady peak /s | peak /s at that outage | seconds above 500/s |\n"
           "|-|-|-|-|-|-|-|-|\n");
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct outcome there, next;
        uint32_t longest_s = longest_survived(plan, &policies[i], life_s, &there, &next);

        printf("| %s | %s | %.4g h | %.1f %% expired | %.1f | %.0f | %.0f | %.0f |\n",
               policies[i].name, policies[i].rule, longest_s / 3600.0, next.expired_percent,
               steady_mean(plan, &policies[i], life_s), steady_peak(plan, &policies[i], life_s),
               there.peak, there.busy_s);
        fflush(stdout);
    }
}

/* leafd at each length of outage; keeps what is expired for the chart. */
static void tell_outages(const struct plan *plan, struct point expired[OUTAGES])
{
    uint32_t outages_s[OUTAGES];
    struct outcome worst[OUTAGES];

    for (size_t i = 0; i < OUTAGES; i++)
        outages_s[i] = outage_hours[i] * HOUR;
    try_outages(plan, &policies[0], DAY, outages_s, OUTAGES, worst);
    printf("\n### leafd, 24 h certificates, the CA away\n\n"
           "| outage | expired | peak /s | seconds above 500/s | last 429 after the CA is back |\n"
           "|-|-|-|-|-|\n");
    for (size_t i = 0; i < OUTAGES; i++) {
        printf("| %" PRIu32 " h | %" PRIu32 " (%.2f %%) | %.0f | %.0f | %.0f s |\n",
               outage_hours[i], worst[i].expired, worst[i].expired_percent, worst[i].peak,
               worst[i].busy_s, worst[i].drained_s);
        expired[i] = (struct point){outage_hours[i], worst[i].expired_percent};
        promise(outage_hours[i] > PROMISED_H || worst[i].expired == 0,
                "a certificate expired in an outage of up to 10 h");
        /* Longer ones only of a whole fleet: of a small one the busiest second is mostly chance. */
        promise((outage_hours[i] > PROMISED_H && plan->agents < WHOLE_FLEET) ||
                    worst[i].peak <= CA_PER_S,
                "more than 500 requests a second around an outage");
    }
}

static void tell_peers_expired(const struct plan *plan, struct point expired[][OUTAGES])
{
    printf("\n### Expired after an outage, 24 h certificates\n\n| policy |");
    for (size_t i = 0; i < OUTAGES; i++)
        printf(" %" PRIu32 " h |", outage_hours[i]);
    printf("\n|-|-|-|-|-|-|-|-|\n");
    for (size_t p = 0; p < POLICY_COUNT; p++) {
        double last = 0;

        printf("| %s |", policies[p].name);
        for (size_t i = 0; i < OUTAGES; i++) {
            /* More than all cannot expire. */
            if (p > 0 && last < 99.99)
                last = try_outage(plan, &policies[p], DAY, outage_hours[i] * HOUR).expired_percent;
            if (p > 0)
                expired[p][i] = (struct point){outage_hours[i], last};
            printf(" %.1f %% |", expired[p][i].y);
            fflush(stdout);
        }
        printf("\n");
    }
}

/* The whole fleet without a certificate; then the same after an outage with slower CAs. */
static void tell_limits(const struct plan *plan)
{
    static const struct {
        uint32_t per_s, retry_after_s;
    } limits[] = {{500, 0}, {500, 1}, {500, 30}, {500, 300}, {200, 10}, {100, 10}};

    printf("\n### leafd, the CA limits rates (429 above it)\n\n"
           "| limit /s | Retry-After | cold start: peak /s | all have one after | "
           "after 8 h away: expired | peak /s | last 429 after it is back |\n"
           "|-|-|-|-|-|-|-|\n");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct world *world = boot(plan, &policies[0], DAY, 4 * DAY);
        struct outcome worst = {0};
        uint32_t all_s;
        double peak;

        world->ca.per_s = (uint32_t)((uint64_t)limits[i].per_s * plan->agents / 100000);
        world->ca.retry_after_s = limits[i].retry_after_s;
        world_run(world, DAY / 4);
        peak = scaled(world, world->tally.peak);
        all_s = world->tally.last_first_s;
        world_run(world, DAY + DAY / 3);
        suffer(world, 8 * HOUR, &worst);
        printf("| %" PRIu32 " | %" PRIu32 " s | %.0f | %" PRIu32 " s | %" PRIu32
               " | %.0f | %.0f s |\n",
               limits[i].per_s, limits[i].retry_after_s, peak, all_s, worst.expired, worst.peak,
               worst.drained_s);
        promise(worst.expired == 0, "a certificate expired behind a rate limit");
        world_free(world);
    }
}

/* What the looks at the CA cost beside the renewals, and what is added when something happens. */
static void tell_polls(const struct plan *plan)
{
    enum { TEN = 10, REQUESTS = 2 /* of a renewal: a login and a CSR */ };
    const struct polls_plan quiet = {
        .agents = plan->agents, .life_s = DAY, .days = 3, .seed = plan->seed};
    struct polls_plan away = quiet, changed = quiet;
    double renewals = steady_mean(plan, &policies[0], DAY) * DAY / WHOLE_FLEET;
    double renewing = steady_peak(plan, &policies[0], DAY);
    struct outcome outage = try_outage(plan, &policies[0], DAY, PROMISED_H * HOUR);
    double scale = (double)WHOLE_FLEET / plan->agents;
    struct polls polls, in_outage, in_change;

    away.away_from_s = DAY + DAY / 3;
    away.away_to_s = away.away_from_s + PROMISED_H * HOUR;
    changed.changed_s = DAY + DAY / 3;
    polls_run(&quiet, &polls);
    polls_run(&away, &in_outage);
    polls_run(&changed, &in_change);
    printf("\n### leafd, looks at the CA, 24 h certificates\n\n"
           "| of an agent, a day | looks | renewals | renewals times ten |\n|-|-|-|-|\n"
           "| tries | %.1f | %.2f | %.1f |\n| requests | %.1f | %.2f | %.1f |\n"
           "| kB | %.0f | %.1f | %.0f |\n\n"
           "| of the fleet, busiest second | looks | with renewals |\n|-|-|-|\n"
           "| always | %.0f | %.0f |\n| the CA away for 10 h, and after it | %.0f | %.0f |\n"
           "| the CA has another issuer | %.0f | %.0f |\n\n"
           "The last agent has confirmed another issuer, and asked for a certificate of it, %.2f h "
           "after the change; the first leaf of a new root is shown after %.2f h.\n",
           polls.a_day, renewals, TEN * renewals, polls.a_day, REQUESTS * renewals,
           TEN * REQUESTS * renewals, polls.bytes_a_day / 1000, renewals * RENEWAL_BYTES / 1000,
           TEN * renewals * RENEWAL_BYTES / 1000, polls.peak * scale, polls.peak * scale + renewing,
           in_outage.peak * scale, in_outage.peak * scale + outage.peak,
           in_change.peak_after * scale, in_change.peak_after * scale + renewing,
           in_change.last_learnt_s / 3600.0, in_change.first_shown_s / 3600.0);
    promise(polls.a_day <= TEN * renewals, "looks are more than ten times the renewals");
    promise(polls.bytes_a_day <= TEN * renewals * RENEWAL_BYTES,
            "looks cost more bytes than ten times the renewals");
    promise(in_outage.peak * scale + outage.peak <= CA_PER_S,
            "looks and renewals around an outage are a storm");
    promise(in_change.peak_after * scale + renewing <= CA_PER_S,
            "another issuer of the CA is a storm");
    promise(in_change.last_learnt_s < in_change.first_shown_s,
            "a leaf of a new root is shown before everybody trusts it");
}

/* -- the picture ---------------------------------------------------------------------------------
 */

enum { BEFORE_H = 2, AWAY_H = 8, AFTER_H = 6, SHOWN_MIN = (BEFORE_H + AWAY_H + AFTER_H) * 60 };

/* The busiest second of every five minutes around an outage. */
static size_t record(const struct plan *plan, const struct policy *policy,
                     struct point points[SHOWN_MIN])
{
    uint32_t horizon_s = 4 * DAY, from_s = DAY + DAY / 3 * 2;
    struct world *world = boot(plan, policy, DAY, horizon_s);
    size_t count = 0;

    world->per_minute = calloc(horizon_s / 60 + 1, sizeof(uint32_t));
    if (world->per_minute == NULL)
        exit(99);
    world->ca.away_from_s = from_s;
    world->ca.away_to_s = from_s + AWAY_H * HOUR;
    world_run(world, from_s + (AWAY_H + AFTER_H) * HOUR);
    for (uint32_t minute = 0; minute < SHOWN_MIN; minute += 5) {
        uint32_t most = 0, first = (from_s - BEFORE_H * HOUR) / 60 + minute;

        for (uint32_t i = first; i < first + 5; i++)
            most = world->per_minute[i] > most ? world->per_minute[i] : most;
        points[count++] = (struct point){minute / 60.0 - BEFORE_H, scaled(world, most)};
    }
    world_free(world);
    return count;
}

static void draw(const struct plan *plan, const char *path, struct point expired[][OUTAGES])
{
    static const char *const colours[POLICY_COUNT] = {"#0072b2", "#d55e00", "#e69f00", "#cc79a7",
                                                      "#009e73"}; /* Okabe and Ito */
    static struct point rates[POLICY_COUNT][SHOWN_MIN];
    struct line rate_lines[POLICY_COUNT], expired_lines[POLICY_COUNT];
    FILE *file = fopen(path, "w");

    if (file == NULL) {
        perror(path);
        exit(99);
    }
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        rate_lines[i] = (struct line){policies[i].name, colours[i], rates[i],
                                      record(plan, &policies[i], rates[i])};
        expired_lines[i] = (struct line){policies[i].name, colours[i], expired[i], OUTAGES};
    }
    chart_write(
        file,
        (const struct chart[]){
            {"Requests per second, 100,000 agents, 24 h certificates",
             "hours since the CA went away", "busiest second in 5 min", -BEFORE_H, AWAY_H + AFTER_H,
             2, 1, 10000, 0, true, 0, AWAY_H, "CA away", rate_lines, POLICY_COUNT},
            {"Expired certificates, worst start of the outage", "hours that the CA is away",
             "% of the fleet", 0, 12, 2, 0, 100, 20, false, 0, 0, NULL, expired_lines,
             POLICY_COUNT},
        },
        2);
    if (fclose(file) != 0) {
        perror(path);
        exit(99);
    }
}

/* -- runs ----------------------------------------------------------------------------------------
 */

static void run_full(const struct plan *plan, const char *svg)
{
    static struct point expired[POLICY_COUNT][OUTAGES];

    if (getenv("Q") == NULL)
        compare(plan, DAY);
    tell_outages(plan, expired[0]);
    tell_peers_expired(plan, expired);
    tell_limits(plan);
    tell_polls(plan);
    compare(plan, HOUR);
    compare(plan, 7 * DAY);
    if (svg != NULL)
        draw(plan, svg, expired);
}

static void run_slice(const struct plan *plan)
{
    struct point expired[OUTAGES];

    tell_outages(plan, expired);
    promise(expired[OUTAGES - 1].y > 0, "an outage of 12 h must be seen to do harm");
    promise(try_outage(plan, &policies[1], DAY, 3 * HOUR).expired > plan->agents / 2,
            "a peer without jitter must be seen to fail");
    promise(steady_peak(plan, &policies[0], DAY) <= CA_PER_S, "a storm without any outage");
    tell_limits(plan);
    tell_polls(plan);
}

static bool read_number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;

    *ret = strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0' && *ret > 0 && *ret <= most;
}

int main(int argc, char **argv)
{
    struct plan plan = {.phases = PHASES, .seed = 20261120};
    const char *svg = NULL;
    uint64_t number = 0;
    bool full = false;
    clock_t begin = clock();

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--full") == 0)
            full = true;
        else if (i + 1 < argc && strcmp(argv[i], "--svg") == 0)
            svg = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0 &&
                 read_number(argv[i + 1], UINT64_MAX, &plan.seed))
            i++;
        else if (i + 1 < argc && strcmp(argv[i], "--agents") == 0 &&
                 read_number(argv[i + 1], 1000000, &number))
            i++;
        else
            return fprintf(stderr, "usage: fleet [--full] [--svg FILE] [--seed N] [--agents N]\n"),
                   2;
    }
    plan.agents = number != 0 ? (uint32_t)number : full ? WHOLE_FLEET : WHOLE_FLEET / 10;
    printf("%" PRIu32 " agents, seed %" PRIu64 ", outages at %" PRIu32 " phases of the life\n",
           plan.agents, plan.seed, plan.phases);
    if (full)
        run_full(&plan, svg);
    else
        run_slice(&plan);
    fprintf(stderr, "fleet: %.1f s of processor time\n",
            (double)(clock() - begin) / CLOCKS_PER_SEC);
    return broken ? 1 : 0;
}
