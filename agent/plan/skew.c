#include "plan/skew.h"

#include <stdbool.h>
#include <stdlib.h>

enum { WARN_MS = SKEW_WARN_S * 1000, DATE_STEP_MS = 1000 };

struct skew skew_measure(const struct skew_sample *sample)
{
    /* The Date was written during the round trip, and its second was under way. */
    int64_t ours_ms = (int64_t)sample->received_ms - (int64_t)(sample->took_ms / 2);
    int64_t theirs_ms = (int64_t)sample->date_s * 1000 + DATE_STEP_MS / 2;

    return (struct skew){
        .ahead_ms = theirs_ms - ours_ms,
        .error_ms = (int64_t)(sample->took_ms + 1) / 2 + DATE_STEP_MS / 2,
    };
}

/* Whether two moments are certainly further apart. */
static bool differs(int64_t a_ms, int64_t b_ms, int64_t error_ms, int64_t by_ms)
{
    return llabs(a_ms - b_ms) - error_ms > by_ms;
}

enum skew_news skew_news_of(const struct skew *skew, int64_t told_ms)
{
    int64_t quarter_ms = llabs(told_ms) / 4;

    if (told_ms != 0 && llabs(skew->ahead_ms) + skew->error_ms <= WARN_MS)
        return SKEW_TOGETHER;
    if (!differs(skew->ahead_ms, 0, skew->error_ms, WARN_MS))
        return SKEW_NO_NEWS;
    if (told_ms != 0 && !differs(skew->ahead_ms, told_ms, skew->error_ms,
                                 quarter_ms > WARN_MS ? quarter_ms : WARN_MS))
        return SKEW_NO_NEWS;
    return SKEW_APART;
}
