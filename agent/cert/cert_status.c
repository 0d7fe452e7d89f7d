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
    *ret_detail = "it is not replaced until `leafd renew` or `leafd once` names the certificate";
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

bool status_is_failing(const struct cert_state *state)
{
    return trouble_err(&state->issuing)->kind != ERR_NONE ||
           (state->consumer.trouble.failures > 0 && !consumer_is_awaited(&state->consumer));
}

/* The text of a failure already says what it knows; this is what its class means. */
static const char *advice_on_failure(enum err_kind class)
{
    static const char *const advice[ERR_KIND_COUNT] = {
        [ERR_TRANSIENT] = "leafd tries again; if it lasts, check that the CA runs, is unsealed and "
                          "can be reached from here",
        [ERR_DENIED] = "check the policy of this login and the bound claims of its role; `leafd "
                       "check --online` shows what the token may do",
        [ERR_REFUSED] = "compare the section with the PKI role; `leafd check --online` names the "
                        "setting that does not fit",
        [ERR_UNTRUSTED] = "check ca_file, trust_anchor and who answers at the CA's address",
        [ERR_LOCAL] = "check disk, permissions and memory of this machine",
        [ERR_CONSUMER] =
            "repair the consumer, or its reload or prove line; leafd tries again, with "
            "`leafd retry` at once",
        [ERR_CONFIG] = "correct the configuration; `leafd check` shows its errors",
    };

    return advice[class];
}

/* What an agent that has answered does about a state; without a failure it does it now. */
static const char *const advice_of_agent[STATUS_WORD_COUNT] = {
    [STATUS_MISSING] = "the agent requests it",
    [STATUS_EXPIRED] = "the agent renews it",
    [STATUS_DUE] = "the agent renews it",
    [STATUS_CHANGED] = "the agent replaces it",
    [STATUS_DAMAGED] = "the agent repairs it",
    [STATUS_NOT_RELOADED] = "the agent reloads the consumer",
    [STATUS_NOT_PROVEN] = "the agent checks what the consumer serves",
    [STATUS_REVOKED] = "the agent replaces it unless it was revoked with --no-reissue",
};

const char *status_advice(const struct cert_state *state, enum status_word word, bool by_agent)
{
    static const char agent[] =
        "a running agent repairs it; if none runs, start it, or `leafd once`";
    static const char *const advice[STATUS_WORD_COUNT] = {
        [STATUS_MISSING] = "a running agent requests it; if none runs, start it, or `leafd once`",
        [STATUS_EXPIRED] = agent,
        [STATUS_DUE] = agent,
        [STATUS_CHANGED] = agent,
        [STATUS_DAMAGED] = agent,
        [STATUS_NOT_RELOADED] = agent,
        [STATUS_NOT_PROVEN] = agent,
        [STATUS_REVOKED] = "a running agent replaces it unless it was revoked with --no-reissue",
        [STATUS_ROLLED_BACK] = "find out why the consumer refused the newer certificate",
        [STATUS_EARLY] = "set this machine's clock, and keep it correct with NTP",
        [STATUS_UNKNOWN] = "run it as root or as the set's owner",
    };

    if (status_is_failing(state))
        return advice_on_failure(trouble_err(trouble_of(state))->kind);
    if (consumer_is_awaited(&state->consumer))
        return "start the consumer, or correct its reload or prove line";
    return by_agent && advice_of_agent[word] != NULL ? advice_of_agent[word] : advice[word];
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
