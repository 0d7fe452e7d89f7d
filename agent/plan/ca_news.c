#include "plan/ca_news.h"

#include "base/random.h"

#include <string.h>

enum {
    POLLS_IN_A_LIFE = 20,
    POLL_LEAST_S = 5 * 60,
    POLL_MOST_S = 6 * 3600,
    BUNDLE_S = 3600,
    BUNDLE_MOST_S = 24 * 3600,
    READ_LEAST_S = 2,
    DOUBLINGS_MOST = 2,
    REPLACED_DOUBLINGS_MOST = 5
};

enum ca_news ca_news_of(const struct ca_look *look)
{
    if (look->named[0] == '\0' || look->ours[0] == '\0' || look->is_known ||
        strcmp(look->named, look->ours) == 0)
        return CA_NEWS_NONE;
    if (!look->has_baseline)
        return CA_NEWS_BASELINE;
    if (ca_news_is_early(look->early_at_s, look->life_s, look->now_s))
        return CA_NEWS_NONE;
    return look->in_a_row < CA_NEWS_IN_A_ROW ? CA_NEWS_UNSURE : CA_NEWS_OTHER_ISSUER;
}

bool ca_news_is_early(uint64_t early_at_s, uint64_t life_s, uint64_t now_s)
{
    return early_at_s != 0 && now_s < early_at_s + life_s / 2;
}

uint64_t ca_news_poll_s(uint64_t configured, uint64_t life_s)
{
    uint64_t poll_s = life_s / POLLS_IN_A_LIFE;

    if (configured != CA_NEWS_AUTO)
        return configured;
    if (poll_s < POLL_LEAST_S)
        return POLL_LEAST_S;
    return poll_s > POLL_MOST_S ? POLL_MOST_S : poll_s;
}

uint64_t ca_news_bundle_s(uint64_t configured)
{
    if (configured == CA_NEWS_AUTO)
        return BUNDLE_S;
    return configured == 0 || configured > BUNDLE_MOST_S ? BUNDLE_MOST_S : configured;
}

uint64_t ca_news_spread_s(uint64_t configured, uint64_t poll_s)
{
    uint64_t least_s = CA_NEWS_SPREAD_POLLS * poll_s;

    return configured == CA_NEWS_AUTO || configured < least_s ? least_s : configured;
}

uint64_t ca_news_first_ms(uint64_t poll_s, uint32_t random)
{
    return random_share(poll_s * 1000, random);
}

uint64_t ca_news_wait_ms(const struct ca_wait *wait, uint32_t random)
{
    unsigned doublings = wait->failures < DOUBLINGS_MOST ? wait->failures : DOUBLINGS_MOST;
    uint64_t wait_ms = wait->poll_s * 1000;

    if (wait->unsure && wait->failures == 0)
        wait_ms /= 8;
    else
        wait_ms <<= doublings;
    return wait_ms - wait_ms / 8 + random_share(wait_ms / 4, random);
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t ca_news_read_again_s(uint64_t read_s, uint64_t end_s, uint64_t poll_s, uint32_t random)
{
    const struct ca_wait wait = {.poll_s = poll_s};
    uint64_t left_s = end_s > read_s ? end_s - read_s : 0;
    uint64_t window_s = left_s * 2 / 5 + random_share(left_s * 3 / 20, random);
    uint64_t least_s = lesser(READ_LEAST_S, greater(poll_s, 1));

    return read_s + lesser(ca_news_wait_ms(&wait, random) / 1000 + 1, greater(window_s, least_s));
}

uint64_t ca_news_shown_s(uint64_t now_s, uint64_t spread_s, uint64_t end_s, uint32_t spread)
{
    uint64_t left_s = end_s > now_s ? end_s - now_s : 0;
    uint64_t most_s = lesser(spread_s, left_s - left_s / 5);
    uint64_t least_s = lesser(spread_s / 2, most_s);

    return most_s < spread_s / CA_NEWS_SPREAD_POLLS
               ? now_s
               : now_s + least_s + random_share(most_s - least_s, spread);
}

uint64_t ca_news_replace_s(uint64_t now_s, unsigned replaced, uint64_t life_s)
{
    unsigned doublings = replaced < REPLACED_DOUBLINGS_MOST ? replaced : REPLACED_DOUBLINGS_MOST;

    return replaced == 0 ? now_s : now_s + (life_s << (doublings - 1)) / 32;
}
