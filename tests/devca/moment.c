#include "moment.h"

#include "must.h"

#include <time.h>

uint64_t moment_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * MOMENT_SECOND + (uint64_t)now.tv_nsec;
}

const char *moment_text(struct arena *arena, uint64_t moment)
{
    time_t seconds = (time_t)(moment / MOMENT_SECOND);
    struct tm parts;
    char whole[32];
    const char *text;

    MUST(gmtime_r(&seconds, &parts) != NULL && strftime(whole, sizeof whole, "%FT%T", &parts) > 0);
    text = arena_format(arena, "%s.%09uZ", whole, (unsigned)(moment % MOMENT_SECOND));
    MUST(text != NULL);
    return text;
}
