#include "app/clock_skew.h"

#include "base/clock.h"
#include "base/log.h"
#include "plan/skew.h"

#include <stdio.h>
#include <stdlib.h>

void clock_skew_words(const struct clock_skew *skew, char to[static CLOCK_SKEW_WORDS_BYTES])
{
    char apart[DURATION_TEXT_BYTES];

    duration_text((uint64_t)llabs(skew->told_ms) / 1000, apart);
    snprintf(to, CLOCK_SKEW_WORDS_BYTES,
             "this machine's clock is %s %s the CA's, by whose clock certificates begin and end; "
             "set it right, and keep it so (NTP)",
             apart, skew->told_ms > 0 ? "behind" : "ahead of");
}

static void on_dated(void *arg, const struct http_dated *dated)
{
    struct clock_skew *watch = arg;
    const struct skew_sample sample = {dated->date_s, dated->received_ms, dated->took_ms};
    const struct skew skew = skew_measure(&sample);
    enum skew_news news = skew_news_of(&skew, watch->told_ms);
    char seconds[32], words[CLOCK_SKEW_WORDS_BYTES];
    const struct log_field fields[] = {{"SKEW_S", seconds}, {0}};

    if (news == SKEW_NO_NEWS)
        return;
    snprintf(seconds, sizeof seconds, "%lld", (long long)skew.ahead_ms / 1000);
    watch->told_ms = news == SKEW_APART ? skew.ahead_ms : 0;
    clock_skew_words(watch, words);
    if (news == SKEW_APART)
        log_write(LOG_CLOCK_SKEW, fields, "%s", words);
    else
        log_write(LOG_CLOCK_AGREES, fields, "this machine's clock agrees with the CA's again");
}

void clock_skew_watch(struct clock_skew *skew, struct http_loop *http)
{
    http_loop_watch_dates(http, on_dated, skew);
}
