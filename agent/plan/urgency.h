/*
 * urgency - when a persistent failure is reported again, and at which level
 *
 * A certificate is retried every few minutes, near its expiry every few seconds, and a line for
 * each try would hide the important ones. So a failure is reported when it begins, when its class
 * changes, and as the expiry comes nearer: with a half, a quarter and a tenth of the lifetime left,
 * and at expiry. If a person must repair something, a new reason is reported as well. A persistent
 * failure is also reported once a day. The level rises with the urgency. Pure.
 */
#ifndef LEAFD_PLAN_URGENCY_H
#define LEAFD_PLAN_URGENCY_H

#include "base/event.h"

enum urgency {
    URGENCY_LOW,     /* more than half of the lifetime is left */
    URGENCY_HALF,    /* at most a half */
    URGENCY_QUARTER, /* likewise */
    URGENCY_TENTH,   /* likewise */
    URGENCY_OVER     /* expired, or there never was a certificate */
};

/* The last report of a persistent failure; {0}: none yet. */
struct told_failure {
    uint64_t at_s;   /* of the last report, on the wall clock */
    uint32_t reason; /* urgency_reason */
    enum err_kind class;
    enum urgency urgency; /* the highest so far */
};

struct failure_look {
    enum err_kind class;
    uint32_t reason;
    uint64_t now_s, left_s, life_s;
    bool told_elsewhere; /* an event for all certificates reports it: ca-away */
};

/*
 * urgency_note_failure - whether the failure is reported this time; if so, updates *told
 *
 * *ret_level is the level: LOG_LEVEL_DEBUG if it is not reported.
 */
bool urgency_note_failure(const struct failure_look *look, struct told_failure *told,
                          enum log_level *ret_level);

enum { URGENCY_NAMED_MOST = 3, URGENCY_MANY_S = 10 * 60 };

/* How many certificates were reported alike lately; {0}: none. */
struct told_many {
    struct told_alike {
        uint64_t since_s; /* the first of them, on the wall clock */
        unsigned count;
    } alike[URGENCY_OVER + 1];
};

/*
 * urgency_note_many - whether a certificate that shares its fate with others is reported
 *
 * The first three at an urgency within ten minutes are, and then the tenth, the hundredth and so
 * on: a person sees names and how many there are. *ret_count is how many there are with this one.
 */
bool urgency_note_many(struct told_many *told, enum urgency urgency, uint64_t now_s,
                       unsigned *ret_count);

/* urgency_reason - a hash that is equal for texts that differ only in digits, such as a duration;
 * never 0 */
uint32_t urgency_reason(const char *text);

/* The expiry of a published certificate; times are of the wall clock. */
struct expiry_look {
    uint64_t start_s, due_s, end_s;
};

/*
 * urgency_expiring_s - from when a certificate that was not replaced counts as expiring
 *
 * A tenth of its lifetime before the expiry, but not before half of the time for its renewal is
 * over.
 */
uint64_t urgency_expiring_s(const struct expiry_look *look);

#endif
