#include "cert/decide.h"

#include "plan/backoff.h"

static const char *why_issue(const struct findings *findings)
{
    if (findings->health == INSTALLED_NOTHING)
        return findings->why;
    if (findings->difference != NULL)
        return findings->difference;
    if (findings->revoked)
        return "the published certificate was revoked";
    if (findings->now_s >= findings->end_s)
        return "the published certificate has expired";
    if (findings->now_s >= findings->due_s)
        return "the published certificate is due";
    return NULL;
}

enum verdict decide(const struct findings *findings, const char **ret_reason)
{
    const char *reason = why_issue(findings);

    *ret_reason = reason;
    /* Who wants a certificate with other names wants one. */
    if (findings->withdrawn && findings->health != INSTALLED_NOTHING &&
        findings->difference == NULL)
        return VERDICT_WITHDRAWN;
    if (reason != NULL) {
        bool waits = backoff_resume_ms(findings->try_again_at_s, findings->now_s) > 0;

        if (findings->held)
            return VERDICT_HOLD;
        return waits ? VERDICT_LATER : VERDICT_ISSUE;
    }
    *ret_reason = findings->why;
    if (findings->health != INSTALLED_WHOLE)
        return VERDICT_RESTAGE;
    return VERDICT_FRESH;
}
