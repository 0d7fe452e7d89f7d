#include "polls.h"

#include "plan/ca_news.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a life, when a regular renewal is due at the latest: 55 % of it are over then. */
enum { DAY_S = 86400, BOOT_S = 60, LEAST_LEFT_PERCENT = 45 };

/* One agent's looks. */
struct looker {
    uint64_t at_ms;
    unsigned failures, in_a_row;
    bool asks_own, learnt;
};

/* xorshift64* (Vigna 2016): the agents' own chance, apart from that of their renewals. */
static uint32_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * 0x2545f4914f6cdd1dULL >> 32);
}

struct run {
    const struct polls_plan *plan;
    struct polls *polls;
    uint64_t random, poll_s, looks, bytes;
    uint32_t *per_second, end_s;
};

static void count(const struct run *run, uint32_t at_s)
{
    run->per_second[at_s]++;
}

/* As ca/ca_watch does it; whether the look is to be confirmed. */
static bool take(const struct run *run, struct looker *looker, uint32_t now_s)
{
    bool is_new = run->plan->changed_s != 0 && now_s >= run->plan->changed_s;

    if (looker->asks_own || !is_new || looker->learnt)
        return false;
    looker->in_a_row++;
    looker->learnt = looker->in_a_row >= CA_NEWS_IN_A_ROW;
    if (looker->learnt) {
        count(run, now_s); /* a certificate is asked for at once */
        if (now_s - run->plan->changed_s > run->polls->last_learnt_s)
            run->polls->last_learnt_s = now_s - run->plan->changed_s;
    }
    return !looker->learnt;
}

static void look(struct run *run, struct looker *looker)
{
    const struct polls_plan *plan = run->plan;
    uint32_t now_s = (uint32_t)(looker->at_ms / 1000);
    bool away = now_s >= plan->away_from_s && now_s < plan->away_to_s, unsure = false;
    struct ca_wait wait = {.poll_s = run->poll_s};

    count(run, now_s);
    if (now_s >= DAY_S) {
        run->looks++;
        run->bytes += looker->asks_own ? OWN_LOOK_BYTES : ISSUER_LOOK_BYTES;
    }
    if (!away)
        unsure = take(run, looker, now_s);
    looker->failures = away ? looker->failures + 1 : 0;
    if (!unsure)
        looker->asks_own = !looker->asks_own;
    wait.failures = looker->failures;
    wait.unsure = unsure;
    looker->at_ms += ca_news_wait_ms(&wait, draw(&run->random)) + 1;
}

void polls_run(const struct polls_plan *plan, struct polls *ret_polls)
{
    struct run run = {.plan = plan,
                      .polls = ret_polls,
                      .random = plan->seed | 1,
                      .poll_s = ca_news_poll_s(CA_NEWS_AUTO, plan->life_s),
                      .end_s = plan->days * DAY_S};

    *ret_polls = (struct polls){0};
    run.per_second = calloc(run.end_s, sizeof *run.per_second);
    if (run.per_second == NULL) {
        perror("fleet");
        exit(99);
    }
    for (uint32_t i = 0; i < plan->agents; i++) {
        struct looker looker = {.at_ms = (uint64_t)draw(&run.random) * BOOT_S * 1000 >> 32};

        looker.at_ms += ca_news_first_ms(run.poll_s, draw(&run.random));

        while (looker.at_ms / 1000 < run.end_s)
            look(&run, &looker);
    }
    for (uint32_t s = DAY_S; s < run.end_s; s++) {
        uint32_t *peak = plan->changed_s != 0 && s >= plan->changed_s ? &ret_polls->peak_after
                                                                      : &ret_polls->peak;

        *peak = run.per_second[s] > *peak ? run.per_second[s] : *peak;
    }
    ret_polls->a_day = (double)run.looks / plan->agents / (plan->days - 1);
    ret_polls->bytes_a_day = (double)run.bytes / plan->agents / (plan->days - 1);
    ret_polls->first_shown_s = (uint32_t)ca_news_shown_s(
        0, ca_news_spread_s(CA_NEWS_AUTO, run.poll_s), plan->life_s / 100 * LEAST_LEFT_PERCENT, 0);
    free(run.per_second);
}
