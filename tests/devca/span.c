#include "span.h"

#include "must.h"

#include <stdlib.h>
#include <string.h>

static const struct unit {
    const char *name;
    double seconds;
} units[] = {
    /* The longer of two that begin alike comes first. */
    {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400},
};

static const struct unit *unit_at(const char *text)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strncmp(text, units[i].name, strlen(units[i].name)) == 0)
            return &units[i];
    return NULL;
}

bool span_parse(const char *text, int64_t *ret_seconds)
{
    double sign = *text == '-' ? -1 : 1, total = 0;
    const char *at = text + (*text == '-' || *text == '+');

    if (*at == '\0')
        return false;
    if (at[strspn(at, "0123456789")] == '\0') {
        *ret_seconds = strtoll(text, NULL, 10);
        return true;
    }
    while (*at != '\0') {
        size_t digits = strspn(at, "0123456789.");
        const struct unit *unit = unit_at(at + digits);

        if (digits == 0 || unit == NULL)
            return false;
        total += strtod(at, NULL) * unit->seconds;
        at += digits + strlen(unit->name);
    }
    if (total > 1e12)
        return false;
    *ret_seconds = (int64_t)(sign * total);
    return true;
}

const char *span_text(struct arena *arena, uint64_t seconds)
{
    unsigned long long hours = seconds / 3600, minutes = seconds / 60 % 60, left = seconds % 60;
    const char *text;

    if (hours > 0)
        text = arena_format(arena, "%lluh%llum%llus", hours, minutes, left);
    else if (minutes > 0)
        text = arena_format(arena, "%llum%llus", minutes, left);
    else
        text = arena_format(arena, "%llus", left);
    MUST(text != NULL);
    return text;
}

const char *span_short(struct arena *arena, uint64_t seconds)
{
    unsigned long long hours = seconds / 3600, minutes = seconds / 60 % 60, left = seconds % 60;
    char *text = arena_format(arena, "%lluh%llum%llus", hours, minutes, left);
    char *from = text;

    MUST(text != NULL);
    if (hours == 0)
        from = strchr(from, 'h') + 1;
    if (hours == 0 && minutes == 0)
        from = strchr(from, 'm') + 1;
    if (left == 0 && seconds > 0)
        *strrchr(from, '0') = '\0';
    if (left == 0 && minutes == 0 && hours > 0)
        from[strcspn(from, "h") + 1] = '\0';
    return from;
}
