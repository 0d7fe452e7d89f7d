/*
 * clock - times and durations
 *
 * The validity of a certificate is wall-clock time: whole seconds since 1970 on CLOCK_REALTIME.
 * Timers use CLOCK_BOOTTIME, which also counts while the machine sleeps and does not jump when the
 * clock is set.
 */
#ifndef LEAFD_BASE_CLOCK_H
#define LEAFD_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { WHEN_TEXT_BYTES = 32, DURATION_TEXT_BYTES = 48 };

/* The validity of a certificate, seconds since 1970, both ends included (RFC 5280 section 4.1.2.5).
 */
struct validity {
    uint64_t not_before, not_after;
};

/* clock_now_s - the wall clock, in seconds since 1970; 0 if it is before 1970 */
uint64_t clock_now_s(void);

/* clock_now_ms - the same in milliseconds */
uint64_t clock_now_ms(void);

/* clock_boot_us - microseconds since boot, including sleep; for measuring and for timers */
uint64_t clock_boot_us(void);

/* clock_text - a moment as RFC 3339 in UTC, such as 2026-11-20T21:28:38Z */
void clock_text(uint64_t moment_s, char to[static WHEN_TEXT_BYTES]);

/* clock_local_text - a moment for people, in this machine's time zone, such as
 * 2026-11-20 22:28:38 CET; the zone is read once, by tzset(3) */
void clock_local_text(uint64_t moment_s, char to[static WHEN_TEXT_BYTES]);

/* clock_read_text - reads what clock_text wrote; false for anything else */
bool clock_read_text(const char *text, uint64_t *ret_moment_s);

/*
 * duration_parse - reads a duration such as 45s, 90m, 24h, 7d, 2w or 1h30m, in seconds
 *
 * False for anything else, for a bare number, and above ten years, which is taken for a typing
 * error.
 */
bool duration_parse(const char *text, uint64_t *ret_seconds);

/* duration_shorter - the shorter of two, in whatever unit both are */
static inline uint64_t duration_shorter(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* duration_text - a duration for people, its two largest units: 6d23h, 5h12m, 40s */
void duration_text(uint64_t seconds, char to[static DURATION_TEXT_BYTES]);

#endif
