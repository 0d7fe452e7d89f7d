/*
 * urgency - when a failure that goes on is told again, and how severely
 *
 * A certificate is tried again every few minutes, near its end every few seconds, and a line for
 * each try hides what matters. So a failure is told when it begins, when its class changes, and
 * when the certificate comes nearer to its end: at a half, a quarter and a tenth of its life, and
 * when it has ended. Where a person has something to repair, another reason is told as well. What
 * goes on is told once a day all the same. The severity rises on the way. Pure.
 */
#ifndef LEAFD_PLAN_URGENCY_H
#define LEAFD_PLAN_URGENCY_H

#include "base/event.h"

enum urgency {
    URGENCY_LOW,     /* more than half of the life is left */
    URGENCY_HALF,    /* at most so much */
    URGENCY_QUARTER, /* likewise */
    URGENCY_TENTH,   /* likewise */
    URGENCY_OVER     /* nothing is left, or there never was anything */
};

/* What was told of a failure that goes on; {0}: nothing yet. */
struct told_failure {
    uint64_t at_s;   /* the last time, on the wall clock */
    uint32_t reason; /* urgency_reason */
    enum err_kind class;
    enum urgency urgency; /* the highest so far */
};

struct failure_look {
    enum err_kind class;
    uint32_t reason;
    uint64_t now_s, left_s, life_s;
    bool told_elsewhere; /* an event of all certificates tells of it: the CA is away */
};

/*
 * urgency_note_failure - whether it is told this time; if so, *told becomes what was told
 *
 * *ret_level is how severe it is: LOG_LEVEL_DEBUG if it is not told.
 */
bool urgency_note_failure(const struct failure_look *look, struct told_failure *told,
                          enum log_level *ret_level);

/* urgency_reason - a number for a text that is the same for texts that differ in digits alone, as
 * in how long something took; never 0 */
uint32_t urgency_reason(const char *text);

/* What is known of the end of a published certificate; moments on the wall clock. */
struct expiry_look {
    uint64_t start_s, due_s, end_s;
};

/*
 * urgency_expiring_s - from when a certificate that was not replaced counts as about to end
 *
 * A tenth of its life before, though not before half of the time is over that is left for its
 * renewal.
 */
uint64_t urgency_expiring_s(const struct expiry_look *look);

#endif
