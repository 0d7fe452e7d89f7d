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
        return findings->is_trust ? BUNDLE_DUE : CERT_DUE;
    return NULL;
}

/*
 * Whether the saved wait is still in force. After a refusal by the consumer, the CA would sign the
 * same certificate again, and the accepted one is still valid. That it differs from the section is
 * no reason, since that was the reason for the refused one. A changed request or a revocation ends
 * the wait.
 */
static bool waits(const struct findings *findings)
{
    uint64_t until_s = findings->try_again_at_s;

    if (findings->refused)
        return !findings->asks_otherwise && !findings->revoked && until_s > findings->now_s &&
               until_s < findings->end_s;
    return backoff_resume_ms(until_s, findings->now_s) > 0;
}

enum verdict decide(const struct findings *findings, const char **ret_reason)
{
    const char *reason = why_issue(findings);

    *ret_reason = reason;
    /* Other names in the section end the withdrawal. */
    if (findings->withdrawn && findings->health != INSTALLED_NOTHING &&
        findings->difference == NULL)
        return VERDICT_WITHDRAWN;
    if (reason != NULL) {
        if (findings->held)
            return VERDICT_HOLD;
        return waits(findings) ? VERDICT_LATER : VERDICT_ISSUE;
    }
    *ret_reason = findings->why;
    if (findings->health != INSTALLED_WHOLE)
        return VERDICT_RESTAGE;
    return VERDICT_FRESH;
}
