#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_DURATION_S = 10 * 366 * 86400 };

static const struct unit {
    char letter;
    uint64_t seconds;
} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

uint64_t clock_now_s(void)
{
    return clock_now_ms() / 1000;
}

uint64_t clock_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_boot_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void clock_text(uint64_t moment_s, char to[static WHEN_TEXT_BYTES])
{
    time_t moment = (time_t)moment_s;
    struct tm parts;

    if (gmtime_r(&moment, &parts) == NULL || strftime(to, WHEN_TEXT_BYTES, "%FT%TZ", &parts) == 0)
        snprintf(to, WHEN_TEXT_BYTES, "@%llu", (unsigned long long)moment_s);
}

void clock_local_text(uint64_t moment_s, char to[static WHEN_TEXT_BYTES])
{
    time_t moment = (time_t)moment_s;
    struct tm parts;

    if (localtime_r(&moment, &parts) == NULL ||
        strftime(to, WHEN_TEXT_BYTES, "%F %T %Z", &parts) == 0)
        clock_text(moment_s, to);
}

bool clock_read_text(const char *text, uint64_t *ret_moment_s)
{
    struct tm parts = {0};
    const char *end;
    char *number_end;
    time_t moment;

    if (text[0] == '@') {
        *ret_moment_s = strtoull(text + 1, &number_end, 10);
        return number_end != text + 1 && *number_end == '\0';
    }
    end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end == NULL || *end != '\0')
        return false;
    moment = timegm(&parts);
    *ret_moment_s = (uint64_t)moment;
    return moment >= 0;
}

static uint64_t unit_seconds(char letter)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].letter == letter)
            return units[i].seconds;
    return 0;
}

bool duration_parse(const char *text, uint64_t *ret_seconds)
{
    uint64_t total = 0;
    uint64_t last_unit = UINT64_MAX;

    if (*text == '\0')
        return false;
    while (*text != '\0') {
        uint64_t number = 0, unit;

        if (*text < '0' || *text > '9')
            return false;
        for (; *text >= '0' && *text <= '9'; text++) {
            number = number * 10 + (uint64_t)(*text - '0');
            if (number > MOST_DURATION_S)
                return false;
        }
        unit = unit_seconds(*text);
        /* Units go from large to small, each once: 1h30m, never 30m1h. */
        if (unit == 0 || unit >= last_unit)
            return false;
        last_unit = unit;
        total += number * unit;
        if (total > MOST_DURATION_S)
            return false;
        text++;
    }
    *ret_seconds = total;
    return true;
}

void duration_text(uint64_t seconds, char to[static DURATION_TEXT_BYTES])
{
    size_t i = 1; /* skip weeks: they are for input only */
    uint64_t first, second;

    while (units[i].seconds > 1 && seconds < units[i].seconds)
        i++;
    first = seconds / units[i].seconds;
    if (units[i].seconds == 1) {
        snprintf(to, DURATION_TEXT_BYTES, "%llus", (unsigned long long)first);
        return;
    }
    second = seconds % units[i].seconds / units[i + 1].seconds;
    if (second == 0)
        snprintf(to, DURATION_TEXT_BYTES, "%llu%c", (unsigned long long)first, units[i].letter);
    else
        snprintf(to, DURATION_TEXT_BYTES, "%llu%c%llu%c", (unsigned long long)first,
                 units[i].letter, (unsigned long long)second, units[i + 1].letter);
}
