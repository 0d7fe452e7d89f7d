/*
 * lint - what works but is unwise
 *
 * `leafd check` tells these; nothing else follows from them. Pure.
 */
#ifndef LEAFD_PLAN_LINT_H
#define LEAFD_PLAN_LINT_H

#include "base/cert_request.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINT_MOST = 15 };

/* What is looked at of one certificate. */
struct lint_facts {
    const struct cert_request *request;
    bool key_never_rotates, key_from_ca, nothing_reloads, key_for_group;
    bool trusts_what_ca_says; /* it gives trust on without an anchor of its own */
    uint64_t renew_before_s;
};

/* lint_advise - writes up to LINT_MOST pieces of advice, each a sentence; how many */
size_t lint_advise(const struct lint_facts *facts, const char *ret_advice[LINT_MOST]);

#endif
