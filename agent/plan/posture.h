/*
 * posture - what works but is unwise
 *
 * `leafd check` tells these; nothing else follows from them. Pure.
 */
#ifndef LEAFD_PLAN_POSTURE_H
#define LEAFD_PLAN_POSTURE_H

#include "base/wish.h"

#include <stdbool.h>
#include <stddef.h>

enum { POSTURE_MOST = 15 };

/* What is looked at of one certificate. */
struct posture_facts {
    const struct wish *wish;
    bool key_never_rotates, key_from_ca, nothing_reloads, key_for_group;
    bool trusts_what_ca_says; /* it gives trust on without an anchor of its own */
    uint64_t renew_before_s;
};

/* posture_advise - writes up to POSTURE_MOST pieces of advice, each a sentence; how many */
size_t posture_advise(const struct posture_facts *facts, const char *ret_advice[POSTURE_MOST]);

#endif
