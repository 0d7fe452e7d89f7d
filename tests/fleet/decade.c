/*
 * decade - ten years of an agent's life in which everything goes wrong
 *
 *     decade [--seed N] [--agents N]     so many agents for each length of life
 *
 * Drives the rules that ship (plan/renewal, plan/backoff, cert/decide) in the order in which cert/
 * does, against a CA that goes away, throttles and forbids, and a machine that is suspended,
 * restarted, crashes in a loop and has its clock set: an hour, a day or ten years to and fro, and
 * to 1970. One agent of each kind lives through an outage of all the ten years (CVE-2025-55753: the
 * wait of mod_md overflowed to nothing after 30 days of failures).
 *
 * Exit status 1 unless: no wait is shorter than a second or longer than 30 minutes; no hour sees
 * more requests than main() allows; and whenever CA, clock and machine have been in
 * order for a little more than the longest wait, the certificate is valid and not overdue.
 */
#include "base/digest.h"
#include "cert/decide.h"
#include "plan/backoff.h"
#include "plan/renewal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, YEAR = 365 * DAY };

#define BEGIN_S  1800000000 /* 2027 */
#define DECADE_S (10LL * YEAR)

enum {
    HOUR_MOST = 4096,
    CALM_S = BACKOFF_MOST_S + 2 * MINUTE, /* then everything must be well again */
    BACKDATED_S = 30,                     /* Vault's not_before_duration */
    VET_AHEAD_S = DAY,                    /* as pki/vet.h has them */
    VET_LEFT_S = 5,
    TLS_VALID_S = 180 * DAY /* a clock further off does not believe the CA's own certificate */
};

/* app/engine: a clock that was set makes failures be tried again, so often. */
enum { EARLY_EVERY_S = 60, EARLY_IN_A_ROW = 3 };

/* What befalls the machine, each with the mean time between two of it. */
enum trouble { OUTAGE, CLOCK_SET, SUSPEND, RESTART, CRASH_LOOP, TROUBLE_COUNT };

static const double mean_between_s[TROUBLE_COUNT] = {
    [OUTAGE] = 5.0 * DAY,  [CLOCK_SET] = 10.0 * DAY,  [SUSPEND] = 7.0 * DAY,
    [RESTART] = 3.0 * DAY, [CRASH_LOOP] = 60.0 * DAY,
};

/* A wait after a failure outlives a crash, and so does a certificate that is held until its
 * notBefore. */
enum { CRASHES = 100 };

enum state { WAITING, HOLDING, BACKING_OFF };

struct life {
    uint64_t random;
    int64_t now_s, offset_s; /* true time; what the wall clock is off by */
    int64_t away_until_s, asleep_until_s, clock_right_at_s, calm_since_s;
    int64_t next_trouble_s[TROUBLE_COUNT];
    unsigned crashes_left;
    bool always_away;

    uint64_t ttl_s;
    enum state state;
    uint64_t moment_s; /* wall clock; of WAITING and HOLDING */
    int64_t until_s;   /* boot clock; of BACKING_OFF */
    struct validity published, held;
    uint64_t issued_s, due_s, held_issued_s;
    uint32_t serial;
    bool has_published, has_held;
    unsigned failures;
    uint64_t try_again_at_s; /* kept on disk */
    enum err_kind failure;
    int64_t early_paid_s;

    int64_t asked_at_s[HOUR_MOST]; /* a ring */
    uint64_t asked;
    unsigned most_in_hour, most_allowed;
    uint64_t renewals, waits;
    bool broken;
};

static void breach(struct life *life, const char *what)
{
    if (!life->broken)
        fprintf(stderr, "decade: life of %" PRIu64 " s, %.2f days in: %s\n", life->ttl_s,
                (double)(life->now_s - BEGIN_S) / DAY, what);
    life->broken = true;
}

static uint32_t draw(struct life *life)
{
    uint64_t z = life->random += 0x9e3779b97f4a7c15; /* SplitMix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static int64_t draw_exponential_s(struct life *life, double mean_s)
{
    return 1 + (int64_t)(-mean_s * log((draw(life) + 1.0) / 4294967297.0));
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static uint64_t wall_s(const struct life *life)
{
    int64_t wall = life->now_s + life->offset_s;

    return wall < 0 ? 0 : (uint64_t)wall; /* as clock_now_s */
}

/* -- the agent, as cert/ has it ------------------------------------------------------------------
 */

static void note_request(struct life *life)
{
    unsigned in_hour = 1;

    for (; in_hour < HOUR_MOST && in_hour <= life->asked; in_hour++)
        if (life->asked_at_s[(life->asked - in_hour) % HOUR_MOST] + HOUR <= life->now_s)
            break;
    life->asked_at_s[life->asked++ % HOUR_MOST] = life->now_s;
    if (in_hour > life->most_in_hour)
        life->most_in_hour = in_hour;
    if (in_hour > life->most_allowed)
        breach(life, "a storm of requests");
}

/* cert/cert_work: cert_work_note_failure */
static void back_off(struct life *life, const struct err *err)
{
    uint64_t now_s = wall_s(life), wait_ms;
    struct backoff_state state = {
        .failures = ++life->failures,
        .lifetime_s = life->ttl_s,
        .retry_after_s = err->retry_after_s,
    };

    if (life->has_published && now_s < life->published.not_after) {
        state.remaining_s = life->published.not_after - now_s;
        state.lifetime_s =
            life->published.not_after - renewal_start_s(&life->published, life->issued_s);
    }
    wait_ms = backoff_wait_ms(err->kind, &state, draw(life));
    if (wait_ms < 1000 || wait_ms > BACKOFF_MOST_S * 1000ULL)
        breach(life, "a wait that is too short or too long");
    life->waits++;
    life->failure = err->kind;
    life->try_again_at_s = now_s + wait_ms / 1000;
    life->until_s = life->now_s + (int64_t)(wait_ms / 1000);
    life->state = BACKING_OFF;
}

static void publish(struct life *life, const struct validity *validity, uint64_t issued_s)
{
    static const struct renewal_rule by_default = {0};
    char serial[24];
    const char *const texts[] = {"web", serial, NULL};

    snprintf(serial, sizeof serial, "%08" PRIx32, ++life->serial);
    life->published = *validity;
    life->issued_s = issued_s;
    life->due_s = renewal_due_s(validity, issued_s, &by_default, digest_spread(texts));
    life->has_published = true;
    life->has_held = false;
    life->failures = 0;
    life->try_again_at_s = 0;
    life->renewals++;
    life->moment_s = life->due_s;
    life->state = WAITING;
}

/* What the CA, or the way to it, says instead of a certificate. */
static bool fails(struct life *life, struct err *ret_err)
{
    *ret_err = (struct err){.kind = ERR_TRANSIENT};
    if (llabs(life->offset_s) > TLS_VALID_S) {
        ret_err->kind = ERR_UNTRUSTED;
        return true;
    }
    if (!life->always_away && life->now_s >= life->away_until_s)
        return false;
    switch (draw(life) % 8) {
    case 0:
        ret_err->http_status = 429;
        ret_err->retry_after_s = draw(life) >> draw(life) % 32;
        break;
    case 1:
        ret_err->kind = ERR_DENIED;
        break;
    case 2:
        ret_err->http_status = 500;
        break;
    case 3:
        ret_err->kind = ERR_LOCAL;
        break;
    default:
        break;
    }
    return true;
}

/* From queued to published, held or backing off: the way through cert/issuance's table. */
static void issue(struct life *life)
{
    struct err err;
    struct validity validity = {(uint64_t)life->now_s - BACKDATED_S,
                                (uint64_t)life->now_s + life->ttl_s};

    note_request(life);
    if (fails(life, &err)) {
        back_off(life, &err);
    } else if (validity.not_after < wall_s(life) + VET_LEFT_S ||
               validity.not_before > wall_s(life) + VET_AHEAD_S) {
        back_off(life, &(struct err){.kind = ERR_UNTRUSTED});
    } else if (validity.not_before > wall_s(life)) {
        life->held = validity;
        life->has_held = true;
        life->held_issued_s = wall_s(life);
        life->moment_s = validity.not_before;
        life->state = HOLDING;
    } else {
        publish(life, &validity, wall_s(life));
    }
}

static bool held_lasts(const struct life *life)
{
    return life->has_held && life->held.not_after >= wall_s(life) + VET_LEFT_S;
}

/* cert/issuance_stages: take_findings */
static void read_disk(struct life *life, bool is_first)
{
    const struct findings findings = {
        .health = life->has_published ? INSTALLED_WHOLE : INSTALLED_NOTHING,
        .why = "",
        .due_s = life->due_s,
        .end_s = life->published.not_after,
        .now_s = wall_s(life),
        .held = held_lasts(life),
        .try_again_at_s = is_first ? life->try_again_at_s : 0,
    };
    const char *reason;
    enum verdict verdict = decide(&findings, &reason);

    life->has_held = verdict == VERDICT_HOLD;
    switch (verdict) {
    case VERDICT_HOLD:
        life->moment_s = life->held.not_before;
        life->state = HOLDING;
        break;
    case VERDICT_ISSUE:
        issue(life);
        break;
    case VERDICT_LATER:
        life->until_s =
            life->now_s + (int64_t)backoff_resume_ms(life->try_again_at_s, wall_s(life)) / 1000;
        if (life->until_s <= life->now_s)
            breach(life, "a kept wait of zero");
        life->state = BACKING_OFF;
        break;
    case VERDICT_FRESH:
        life->moment_s = life->due_s;
        life->state = WAITING;
        break;
    case VERDICT_RESTAGE:
    case VERDICT_WITHDRAWN:
        breach(life, "a verdict that nothing calls for");
        break;
    }
}

/* app/engine: engine_recompute. The smallest step of the clock here is an hour. */
static void try_early(struct life *life)
{
    const struct backoff_state state = {.failures = 1, .lifetime_s = life->ttl_s};
    int64_t until_s =
        life->now_s + 1 + (int64_t)backoff_wait_ms(ERR_NONE, &state, draw(life)) / 1000;

    life->early_paid_s =
        later(life->early_paid_s, life->now_s - (EARLY_IN_A_ROW - 1) * EARLY_EVERY_S);
    if (life->early_paid_s > life->now_s)
        return;
    life->early_paid_s += EARLY_EVERY_S;
    if (life->state != BACKING_OFF || until_s >= life->until_s)
        return;
    if (life->failure == ERR_UNTRUSTED || wall_s(life) >= life->published.not_after) {
        life->until_s = until_s;
        life->try_again_at_s = wall_s(life) + (uint64_t)(until_s - life->now_s);
    }
}

static bool rings(const struct life *life)
{
    return life->state == BACKING_OFF ? life->now_s >= life->until_s
                                      : wall_s(life) >= life->moment_s;
}

static void ring(struct life *life)
{
    if (life->state == HOLDING && held_lasts(life))
        publish(life, &life->held, life->held_issued_s);
    else if (life->state != WAITING)
        read_disk(life, false);
    else
        issue(life);
}

/* -- the machine and the world -------------------------------------------------------------------
 */

static void set_clock(struct life *life)
{
    static const int64_t steps_s[] = {HOUR, -HOUR, DAY, -DAY, 10LL * YEAR, -10LL * YEAR};
    uint32_t which = draw(life) % 7;

    life->offset_s = which == 6 ? -life->now_s + 100 : steps_s[which];
    life->clock_right_at_s = life->now_s + draw_exponential_s(life, 2.0 * HOUR);
    if (which == 6) /* a machine without a clock of its own boots in 1970 */
        read_disk(life, true);
    else
        try_early(life);
}

static void befall(struct life *life, enum trouble trouble)
{
    switch (trouble) {
    case OUTAGE:
        life->away_until_s =
            life->now_s + draw_exponential_s(life, draw(life) % 8 == 0 ? 3.0 * DAY : 2.0 * HOUR);
        break;
    case CLOCK_SET:
        set_clock(life);
        break;
    case SUSPEND:
        life->asleep_until_s = life->now_s + draw_exponential_s(life, 12.0 * HOUR);
        break;
    case RESTART:
        read_disk(life, true);
        break;
    case CRASH_LOOP:
        life->crashes_left = CRASHES;
        break;
    case TROUBLE_COUNT:
        break;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the next thing happens: the timer, a trouble, or the end of one; never in the past. */
static int64_t next_s(const struct life *life)
{
    int64_t next =
        life->state == BACKING_OFF ? life->until_s : (int64_t)life->moment_s - life->offset_s;

    if (life->state != BACKING_OFF && (int64_t)life->moment_s - life->offset_s > BEGIN_S + DECADE_S)
        next = BEGIN_S + DECADE_S;
    for (size_t i = 0; i < TROUBLE_COUNT; i++)
        next = earlier(next, life->next_trouble_s[i]);
    if (life->offset_s != 0)
        next = earlier(next, life->clock_right_at_s);
    if (life->crashes_left > 0)
        next = earlier(next, life->now_s + 5);
    if (life->calm_since_s + CALM_S > life->now_s)
        next = earlier(next, life->calm_since_s + CALM_S);
    if (life->asleep_until_s > life->now_s)
        next = life->asleep_until_s; /* nothing happens meanwhile */
    return next > life->now_s ? next : life->now_s + 1;
}

static void check_that_all_is_well(struct life *life)
{
    life->calm_since_s = later(life->calm_since_s, later(life->away_until_s, life->asleep_until_s));
    if (life->always_away || life->offset_s != 0 || life->crashes_left > 0)
        life->calm_since_s = life->now_s;
    if (life->now_s < life->calm_since_s + CALM_S)
        return;
    if (!life->has_published || (uint64_t)life->now_s >= life->published.not_after)
        breach(life, "expired although all is well");
    else if ((uint64_t)life->now_s > life->due_s + CALM_S)
        breach(life, "overdue although all is well");
}

static void set_clock_right(struct life *life)
{
    life->offset_s = 0;
    life->calm_since_s = life->now_s;
    try_early(life);
}

static void live(struct life *life)
{
    life->now_s = life->calm_since_s = BEGIN_S;
    for (size_t i = 0; i < TROUBLE_COUNT; i++)
        life->next_trouble_s[i] = life->now_s + draw_exponential_s(life, mean_between_s[i]);
    read_disk(life, true);
    while (life->now_s < BEGIN_S + DECADE_S && !life->broken) {
        life->now_s = next_s(life);
        if (life->offset_s != 0 && life->now_s >= life->clock_right_at_s)
            set_clock_right(life);
        for (enum trouble i = 0; i < TROUBLE_COUNT; i++) {
            if (life->now_s < life->next_trouble_s[i])
                continue;
            life->next_trouble_s[i] = life->now_s + draw_exponential_s(life, mean_between_s[i]);
            befall(life, i);
        }
        if (life->crashes_left > 0) {
            life->crashes_left--;
            read_disk(life, true);
        }
        if (rings(life) && life->now_s >= life->asleep_until_s)
            ring(life);
        check_that_all_is_well(life);
    }
}

/* -- runs ----------------------------------------------------------------------------------------
 */

static bool run(uint64_t ttl_s, unsigned most_allowed, unsigned agents, uint64_t seed)
{
    unsigned most_in_hour = 0;
    uint64_t renewals = 0, waits = 0, asked = 0;
    bool fine = true;

    for (unsigned i = 0; i < agents; i++) {
        struct life *life = calloc(1, sizeof *life);

        if (life == NULL)
            return false;
        *life = (struct life){.random = seed + i * 7919,
                              .ttl_s = ttl_s,
                              .most_allowed = most_allowed,
                              .always_away = i == 0};
        if (i == 0)
            life->failures = UINT32_MAX - 1000; /* it has failed for long, and goes on counting */
        live(life);
        most_in_hour = life->most_in_hour > most_in_hour ? life->most_in_hour : most_in_hour;
        renewals += life->renewals;
        waits += life->waits;
        asked += life->asked;
        fine = fine && !life->broken;
        free(life);
    }
    printf("| %g h | %u | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %u (%u allowed) | %s |\n",
           (double)ttl_s / HOUR, agents, asked, renewals, waits, most_in_hour, most_allowed,
           fine ? "none" : "BROKEN");
    return fine;
}

int main(int argc, char **argv)
{
    static const struct {
        uint64_t ttl_s;
        unsigned most_in_hour;
    } lives[] = {{10 * MINUTE, 400}, {HOUR, 250}, {DAY, 100}, {7 * DAY, 60}, {90 * DAY, 60}};
    unsigned agents = 20;
    uint64_t seed = 20261120;
    bool fine = true;

    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--agents") == 0)
            agents = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            return fprintf(stderr, "usage: decade [--seed N] [--agents N]\n"), 2;
    }
    printf("Ten years each, seed %" PRIu64 "\n\n"
           "| life | agents | requests | renewals | waits | most requests in an hour | broken |\n"
           "|-|-|-|-|-|-|-|\n",
           seed);
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++)
        fine = run(lives[i].ttl_s, lives[i].most_in_hour, agents, seed) && fine;
    return fine ? 0 : 1;
}
