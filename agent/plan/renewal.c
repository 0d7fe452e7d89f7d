#include "plan/renewal.h"

enum { SHORT_LIFE_S = 10 * 86400 };

static const struct renewal_rule short_life_window = {.from_percent = 40, .to_percent = 55};
static const struct renewal_rule long_life_window = {.from_percent = 50, .to_percent = 67};

uint64_t renewal_start_s(const struct validity *life, uint64_t issued_s)
{
    return issued_s > life->not_before && issued_s < life->not_after ? issued_s : life->not_before;
}

bool renewal_life_is_cut(uint64_t asked_s, uint64_t given_s)
{
    return given_s < asked_s - asked_s / 10;
}

bool renewal_is_near_end(uint64_t issuer_left_s, uint64_t life_s)
{
    return issuer_left_s / 3 < life_s;
}

/* A time between from_s and to_s; spread 0 gives from_s, the largest spread just before to_s. */
static uint64_t draw(uint64_t from_s, uint64_t to_s, uint32_t spread)
{
    return from_s + (uint64_t)((__uint128_t)(to_s - from_s) * spread >> 32);
}

uint64_t renewal_due_s(const struct validity *life, uint64_t issued_s,
                       const struct renewal_rule *rule, uint32_t spread)
{
    uint64_t start_s = renewal_start_s(life, issued_s);
    uint64_t life_s = life->not_after > start_s ? life->not_after - start_s : 0;
    uint64_t due_s;

    if (rule->before_s != 0 && rule->before_s < life_s - life_s / 10) {
        /* Up to a tenth earlier than configured, so that equal certificates do not renew in the
         * same second. */
        uint64_t latest_s = life->not_after - rule->before_s;

        due_s = draw(latest_s - (latest_s - start_s) / 10, latest_s, spread);
    } else {
        const struct renewal_rule *window =
            rule->to_percent != 0 && rule->before_s == 0
                ? rule
                : (life_s <= SHORT_LIFE_S ? &short_life_window : &long_life_window);

        due_s = draw(start_s + life_s / 100 * window->from_percent +
                         life_s % 100 * window->from_percent / 100,
                     start_s + life_s / 100 * window->to_percent +
                         life_s % 100 * window->to_percent / 100,
                     spread);
    }
    return due_s > start_s ? due_s : start_s + 1;
}
