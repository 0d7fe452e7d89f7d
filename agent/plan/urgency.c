#include "plan/urgency.h"

#include <ctype.h>

enum { TOLD_AGAIN_S = 24 * 60 * 60 };

/* By what is left of a life; a life of 0 is over. */
static enum urgency urgency_of(uint64_t left_s, uint64_t life_s)
{
    if (left_s == 0 || life_s == 0)
        return URGENCY_OVER;
    if (left_s <= life_s / 10)
        return URGENCY_TENTH;
    if (left_s <= life_s / 4)
        return URGENCY_QUARTER;
    return left_s <= life_s / 2 ? URGENCY_HALF : URGENCY_LOW;
}

/* Failures that do not repair themselves. */
static bool is_for_a_person(enum err_kind class)
{
    return class != ERR_NONE && class != ERR_TRANSIENT && class != ERR_LOCAL;
}

static enum log_level level_of(enum err_kind class, enum urgency urgency)
{
    if (urgency >= URGENCY_TENTH)
        return LOG_LEVEL_ERR;
    return urgency == URGENCY_QUARTER || is_for_a_person(class) ? LOG_LEVEL_WARNING
                                                                : LOG_LEVEL_NOTICE;
}

static bool is_news(const struct failure_look *look, const struct told_failure *told,
                    enum urgency urgency)
{
    bool is_first = told->class == ERR_NONE;

    if (!is_first && look->now_s >= told->at_s + TOLD_AGAIN_S)
        return true;
    /* During an outage only the certificates that are running out of time are reported: ca-away
     * does not name them. */
    if (look->told_elsewhere)
        return urgency >= URGENCY_QUARTER && (is_first || urgency > told->urgency);
    return is_first || look->class != told->class || urgency > told->urgency ||
           (is_for_a_person(look->class) && look->reason != told->reason);
}

bool urgency_note_failure(const struct failure_look *look, struct told_failure *told,
                          enum log_level *ret_level)
{
    enum urgency urgency = urgency_of(look->left_s, look->life_s);

    *ret_level = LOG_LEVEL_DEBUG;
    if (!is_news(look, told, urgency))
        return false;
    *ret_level = level_of(look->class, urgency);
    *told = (struct told_failure){
        .at_s = look->now_s, .reason = look->reason, .class = look->class, .urgency = urgency};
    return true;
}

bool urgency_note_many(struct told_many *told, enum urgency urgency, uint64_t now_s,
                       unsigned *ret_count)
{
    struct told_alike *alike = &told->alike[urgency];
    unsigned round = 10;

    /* The clock may have been set back. */
    if (alike->count == 0 || now_s >= alike->since_s + URGENCY_MANY_S || now_s < alike->since_s)
        *alike = (struct told_alike){.since_s = now_s};
    *ret_count = ++alike->count;
    while (round < *ret_count && round <= UINT32_MAX / 10)
        round *= 10;
    return *ret_count <= URGENCY_NAMED_MOST || *ret_count == round;
}

/* FNV-1a (Fowler, Noll, Vo). */
uint32_t urgency_reason(const char *text)
{
    uint32_t hash = 2166136261U;

    for (; *text != '\0'; text++)
        if (!isdigit((unsigned char)*text))
            hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash | 1;
}

uint64_t urgency_expiring_s(const struct expiry_look *look)
{
    uint64_t life_s = look->end_s > look->start_s ? look->end_s - look->start_s : 0;
    uint64_t tenth_s = look->end_s - life_s / 10;
    uint64_t for_renewal_s = look->end_s > look->due_s ? look->end_s - look->due_s : 0;
    uint64_t late_s = look->end_s - for_renewal_s / 2;

    return late_s > tenth_s ? late_s : tenth_s;
}
