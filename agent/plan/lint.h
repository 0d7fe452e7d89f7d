/*
 * lint - advice on settings that work but are unwise
 *
 * `leafd check` prints it; it has no other effect. Pure.
 */
#ifndef LEAFD_PLAN_LINT_H
#define LEAFD_PLAN_LINT_H

#include "base/cert_request.h"
#include "base/posture.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINT_MOST = 17 };

/* The facts of one certificate that are checked. */
struct lint_facts {
    const struct cert_request *request;
    bool key_never_rotates, key_from_ca, nothing_reloads, nothing_proves, key_for_group;
    bool trusts_what_ca_says; /* it writes CA certificates without a trust_anchor */
    struct renewal_rule renewal;
};

struct lint_advice {
    enum posture id;
    const char *key;  /* of the configuration */
    const char *text; /* "what is unwise; what to do" */
};

/* lint_advise - writes up to LINT_MOST pieces of advice; returns their number */
size_t lint_advise(const struct lint_facts *facts, struct lint_advice ret_advice[LINT_MOST]);

#endif
