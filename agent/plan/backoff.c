#include "plan/backoff.h"

enum {
    LEAST_WAIT_MS = 1000,
    MOST_WAIT_S = 30 * 60,
    UNKNOWN_LIFETIME_S = 86400,
    SLOWEST_DOUBLINGS = 10,
    HICCUPS = 3 /* failures with status 500 before it counts as a misconfiguration */
};

/* The first wait's upper end. What a person must mend is asked for less often. */
static const uint64_t base_s[ERR_KIND_COUNT] = {
    [ERR_NONE] = 5,       [ERR_TRANSIENT] = 5, [ERR_DENIED] = 30,  [ERR_REFUSED] = 300,
    [ERR_UNTRUSTED] = 60, [ERR_LOCAL] = 5,     [ERR_CONSUMER] = 5, [ERR_CONFIG] = 300,
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A sixteenth of what is left, within [lifetime / 720, 30 min]. */
static uint64_t most_wait_s(const struct backoff_state *state)
{
    uint64_t lifetime_s = state->lifetime_s == 0 ? UNKNOWN_LIFETIME_S : state->lifetime_s;
    uint64_t most_s = state->remaining_s / 16;

    if (most_s < lifetime_s / 720)
        most_s = lifetime_s / 720;
    return smaller(most_s, MOST_WAIT_S);
}

uint64_t backoff_wait_ms(enum err_kind kind, const struct backoff_state *state, uint32_t chance)
{
    unsigned doublings = state->failures > 0 ? state->failures - 1 : 0;
    uint64_t window_s, wait_ms, asked_ms = 0;

    if (doublings > SLOWEST_DOUBLINGS)
        doublings = SLOWEST_DOUBLINGS;
    window_s =
        smaller(base_s[kind < ERR_KIND_COUNT ? kind : ERR_NONE] << doublings, most_wait_s(state));
    wait_ms = window_s * 1000 * chance >> 32;
    if (state->retry_after_s > 0) {
        uint64_t asked_s = smaller(state->retry_after_s, MOST_WAIT_S);

        if (state->remaining_s > 0)
            asked_s = smaller(asked_s, state->remaining_s / 4);
        asked_ms = asked_s * 1000;
    }
    /* The jitter goes on top of what the CA asked for, so that not all come back together. */
    if (asked_ms + smaller(wait_ms, asked_ms / 4) > wait_ms)
        wait_ms = asked_ms + smaller(wait_ms, asked_ms / 4);
    return wait_ms < LEAST_WAIT_MS ? LEAST_WAIT_MS : wait_ms;
}

enum err_kind backoff_kind(const struct err *err, unsigned failures)
{
    if (err->http_status == 500 && err->kind == ERR_TRANSIENT && failures > HICCUPS)
        return ERR_REFUSED;
    return err->kind;
}
