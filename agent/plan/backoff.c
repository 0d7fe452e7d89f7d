#include "plan/backoff.h"

#include "base/clock.h"
#include "base/random.h"

enum {
    LEAST_WAIT_MS = 1000,
    JUST_BOOTED_LEAST_S = 5,
    UNKNOWN_LIFETIME_S = 86400,
    SLOWEST_DOUBLINGS = 10,
    WAITS_PER_LOGIN = 4,
    HICCUPS = 3 /* failures with status 500 before the text names the role as a possible cause */
};

/* The pace of retries by class: slower for failures that a person must repair. */
static const struct pace {
    uint64_t base_s;         /* upper bound of the first wait */
    uint64_t most_without_s; /* upper bound of all waits while no certificate is valid */
} paces[ERR_KIND_COUNT] = {
    [ERR_NONE] = {5, 420},     [ERR_TRANSIENT] = {5, 420},
    [ERR_DENIED] = {30, 420},  [ERR_REFUSED] = {300, BACKOFF_MOST_S},
    [ERR_LOCAL] = {5, 420},    [ERR_UNTRUSTED] = {60, BACKOFF_MOST_S},
    [ERR_CONSUMER] = {5, 420}, [ERR_CONFIG] = {300, BACKOFF_MOST_S},
};

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/*
 * The upper bound of all waits. With a valid certificate: a sixteenth of its remaining life, but at
 * least lifetime / 720 near the end, and at most 30 min.
 *
 * Without one, short waits help only this one consumer, and a fleet whose certificates have all
 * expired would overload a CA that has just come back: 7 min keep 100,000 agents below 500 requests
 * a second (tests/fleet). Certificates of minutes are retried faster.
 */
static uint64_t most_wait_s(const struct pace *pace, const struct backoff_state *state)
{
    uint64_t lifetime_s = state->lifetime_s == 0 ? UNKNOWN_LIFETIME_S : state->lifetime_s;
    /* A wrong clock can make more than the whole lifetime remain. */
    uint64_t remaining_s = duration_shorter(state->remaining_s, lifetime_s);

    if (remaining_s == 0)
        return duration_shorter(lifetime_s / 8, pace->most_without_s);
    return duration_shorter(larger(remaining_s / 16, lifetime_s / 720), BACKOFF_MOST_S);
}

/* The CA's Retry-After, capped so that the jitter fits into 30 min. */
static uint64_t asked_wait_s(const struct backoff_state *state)
{
    uint64_t asked_s = duration_shorter(state->retry_after_s, BACKOFF_MOST_S / 5 * 4);

    return state->remaining_s > 0 ? duration_shorter(asked_s, state->remaining_s / 4) : asked_s;
}

uint64_t backoff_wait_ms(enum err_kind kind, const struct backoff_state *state, uint32_t random)
{
    const struct pace *pace = &paces[kind < ERR_KIND_COUNT ? kind : ERR_NONE];
    unsigned doublings = state->failures > 0 ? state->failures - 1 : 0;
    uint64_t most_s = most_wait_s(pace, state), asked_s = asked_wait_s(state);
    uint64_t least_s = state->just_booted ? duration_shorter(JUST_BOOTED_LEAST_S, most_s) : 0;
    uint64_t window_s;

    if (doublings > SLOWEST_DOUBLINGS)
        doublings = SLOWEST_DOUBLINGS;
    least_s = larger(least_s, asked_s);
    /* The jitter is added to the CA's Retry-After, so that the agents do not come back together. */
    window_s = larger(duration_shorter(pace->base_s << doublings, most_s), asked_s / 4);
    window_s = duration_shorter(window_s, BACKOFF_MOST_S - least_s);
    return larger(least_s * 1000 + random_share(window_s * 1000, random), LEAST_WAIT_MS);
}

uint64_t backoff_patience_ms(const struct backoff_state *state)
{
    return larger(most_wait_s(&paces[ERR_NONE], state) * 1000, LEAST_WAIT_MS);
}

uint64_t backoff_back_ms(const struct backoff_state *state)
{
    uint64_t lifetime_s = state->lifetime_s == 0 ? UNKNOWN_LIFETIME_S : state->lifetime_s;

    if (state->remaining_s >= lifetime_s / 10)
        return UINT64_MAX;
    return larger(state->remaining_s * 1000 / 64, LEAST_WAIT_MS);
}

uint64_t backoff_login_ms(uint64_t patience_ms)
{
    return patience_ms > UINT64_MAX / WAITS_PER_LOGIN ? UINT64_MAX : patience_ms * WAITS_PER_LOGIN;
}

uint64_t backoff_resume_ms(uint64_t try_again_at_s, uint64_t now_s)
{
    if (try_again_at_s <= now_s || try_again_at_s - now_s > BACKOFF_MOST_S)
        return 0;
    return (try_again_at_s - now_s) * 1000;
}

bool backoff_suspects_role(const struct err *err, unsigned failures)
{
    return err->http_status == 500 && err->kind == ERR_TRANSIENT && failures > HICCUPS;
}

bool backoff_outlives_restart(const struct backoff_restart *restart)
{
    if (restart->changed)
        return false;
    return !restart->in_order || restart->in_a_row > BACKOFF_RESTARTS_MOST;
}
