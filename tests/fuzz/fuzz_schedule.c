/* Any certificate, any clock, any history: when is it due, how long is the wait? */
#include "fuzz.h"

#include "cert/decide.h"
#include "plan/backoff.h"
#include "plan/renewal.h"

#include <string.h>

struct moment {
    struct validity life;
    struct renewal_rule rule;
    uint64_t issued_s, now_s, try_again_at_s, lifetime_s, remaining_s;
    uint32_t spread, random, failures, retry_after_s, kind, flags;
};

static void try_renewal(const struct moment *moment)
{
    struct renewal_rule rule = moment->rule;
    uint64_t start_s = renewal_start_s(&moment->life, moment->issued_s), due_s;

    /* What the configuration lets through. */
    rule.to_percent %= 100;
    rule.from_percent = rule.to_percent == 0 ? 0 : rule.from_percent % rule.to_percent;
    due_s = renewal_due_s(&moment->life, moment->issued_s, &rule, moment->spread);
    if (moment->life.not_before == UINT64_MAX)
        return;
    fuzz_promise(due_s > start_s, "due after its start");
    fuzz_promise(due_s <= moment->life.not_after || due_s == start_s + 1, "due before its end");
}

static void try_backoff(const struct moment *moment)
{
    const struct backoff_state state = {
        .failures = moment->failures,
        .lifetime_s = moment->lifetime_s,
        .remaining_s = moment->remaining_s,
        .retry_after_s = moment->retry_after_s,
        .just_booted = moment->flags & 1,
    };
    enum err_kind kind = (enum err_kind)(moment->kind % (ERR_KIND_COUNT + 1));
    uint64_t wait_ms = backoff_wait_ms(kind, &state, moment->random);
    uint64_t left_ms = backoff_resume_ms(moment->now_s + wait_ms / 1000, moment->now_s);

    fuzz_promise(wait_ms >= 1000 && wait_ms <= BACKOFF_MOST_S * 1000, "1 s to 30 min");
    fuzz_promise(wait_ms >= backoff_wait_ms(kind, &state, 0),
                 "a wait grows with its random number");
    if (moment->now_s < UINT64_MAX - BACKOFF_MOST_S)
        fuzz_promise(left_ms == wait_ms / 1000 * 1000, "a wait that was kept is believed");
}

static void try_decide(const struct moment *moment)
{
    const struct findings findings = {
        .health = (enum installed_health)(moment->kind % 4),
        .why = "",
        .due_s = moment->life.not_before,
        .end_s = moment->life.not_after,
        .now_s = moment->now_s,
        .revoked = moment->flags & 2,
        .refused = moment->flags & 4,
        .try_again_at_s = moment->try_again_at_s,
    };
    const char *reason;
    enum verdict verdict = decide(&findings, &reason);

    fuzz_promise(verdict != VERDICT_FRESH || moment->now_s < moment->life.not_after,
                 "what has expired is not fresh");
    fuzz_promise(verdict != VERDICT_LATER || findings.refused ||
                     backoff_resume_ms(moment->try_again_at_s, moment->now_s) > 0,
                 "later is not now");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct moment moment = {0};

    memcpy(&moment, data, size < sizeof moment ? size : sizeof moment);
    try_renewal(&moment);
    try_backoff(&moment);
    try_decide(&moment);
    return 0;
}
