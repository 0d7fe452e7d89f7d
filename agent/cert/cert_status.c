#include "cert/cert_status.h"

#include "base/text.h"

/* The agent learned it from the CA. */
static bool is_found_revoked(const struct status_facts *facts)
{
    return facts->serial[0] != '\0' && text_equal(facts->state->ca.revoked, facts->serial);
}

/* The first condition that holds gives the word; leafd(8), STATES has the same order. */
enum status_word status_judge(const struct status_facts *facts, uint64_t now_s,
                              const char **ret_detail)
{
    const struct consumer_state *consumer = &facts->state->consumer;

    *ret_detail = facts->why;
    if (facts->health == INSTALLED_NOTHING)
        return facts->is_hidden ? STATUS_UNKNOWN : STATUS_MISSING;
    *ret_detail = "it is not replaced until `leafd revoke` or `leafd once` names the certificate";
    if (facts->revocation == REVOCATION_FINAL)
        return STATUS_REVOKED;
    *ret_detail = "";
    if (now_s >= facts->end_s)
        return STATUS_EXPIRED;
    *ret_detail = "it is not valid yet; check this machine's clock";
    if (now_s < facts->not_before_s)
        return STATUS_EARLY;
    *ret_detail = "";
    if (facts->revocation == REVOCATION_REPLACED || is_found_revoked(facts))
        return STATUS_REVOKED;
    *ret_detail = "the consumer refused a newer certificate";
    if (consumer->refused[0] != '\0')
        return STATUS_ROLLED_BACK;
    *ret_detail = facts->difference == NULL ? facts->why : facts->difference;
    if (facts->health == INSTALLED_DAMAGED)
        return STATUS_DAMAGED;
    if (facts->difference != NULL || facts->health == INSTALLED_UNWANTED)
        return STATUS_CHANGED;
    if (now_s >= facts->due_s)
        return STATUS_DUE;
    *ret_detail = "only root and the set's owner may read the agent's state";
    if (facts->is_hidden)
        return STATUS_UNKNOWN;
    *ret_detail = "";
    if (consumer_is_verified(consumer, facts->section, facts->generation))
        return STATUS_FRESH;
    return consumer_is_notified(consumer, facts->section, facts->generation) ? STATUS_NOT_PROVEN
                                                                             : STATUS_NOT_RELOADED;
}

const char *status_word_name(enum status_word word)
{
    static const char *const words[STATUS_WORD_COUNT] = {
        [STATUS_FRESH] = "fresh",
        [STATUS_DUE] = "due",
        [STATUS_NOT_RELOADED] = "not-reloaded",
        [STATUS_NOT_PROVEN] = "not-proven",
        [STATUS_ROLLED_BACK] = "rolled-back",
        [STATUS_CHANGED] = "changed",
        [STATUS_DAMAGED] = "damaged",
        [STATUS_REVOKED] = "revoked",
        [STATUS_EARLY] = "early",
        [STATUS_EXPIRED] = "expired",
        [STATUS_MISSING] = "missing",
        [STATUS_UNKNOWN] = "unknown",
    };

    return words[word];
}

bool status_is_usable(const struct status_facts *facts, uint64_t now_s)
{
    return facts->health != INSTALLED_NOTHING && facts->is_intact && now_s >= facts->not_before_s &&
           now_s < facts->end_s;
}

bool status_is_ready(const struct status_facts *facts, uint64_t now_s)
{
    return status_is_usable(facts, now_s) &&
           !served_is_bad(&facts->state->consumer, facts->section, facts->generation, now_s);
}
