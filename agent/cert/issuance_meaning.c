#include "cert/issuance_meaning.h"

#include "base/clock.h"
#include "cert/cert_advice.h"
#include "plan/ca_news.h"

const char issuance_asked_reason[] = "an operator asked for it";

/*
 * Sets how long the staged generation is held until peers trust its CA; false if it must be
 * published now, because the published one ends too soon.
 */
static bool is_to_wait(struct issuance *issuance)
{
    struct cert_work *work = issuance->work;
    const char *const texts[] = {work->cert->name, work->draft->issued.leaf.serial, NULL};
    uint64_t now_s = clock_now_s(), spread_s = cert_work_spread_s(work);
    uint64_t shown_s =
        ca_news_shown_s(now_s, spread_s, work->published.end_s, digest_spread(texts));

    if (shown_s < now_s + spread_s / 2 && !work->told_short_hold) {
        cert_advice_short_hold(work, shown_s);
        work->told_short_hold = true;
    }
    if (shown_s == now_s && spread_s > 0)
        return false;
    work->state.ca.held_until_s = shown_s;
    return true;
}

/* What a read means if an operator asks for a new certificate; one that is held is not replaced. */
static enum issuance_event meaning_if_asked(struct issuance *issuance, enum issuance_event event)
{
    bool wants =
        event == ISSUANCE_ON_LATER || (event == ISSUANCE_ON_WITHDRAW && issuance->asked_by_name);

    if (event == ISSUANCE_ON_FRESH || event == ISSUANCE_ON_RESTAGE)
        wants = issuance->work->state.ca.held_until_s == 0;
    if (!wants)
        return event;
    issuance->is_optional = event == ISSUANCE_ON_FRESH || event == ISSUANCE_ON_WITHDRAW;
    cert_work_give_reason(issuance->work, issuance_asked_reason);
    return ISSUANCE_ON_WANTED;
}

/* Whether nothing but an operator's wish was behind the try. */
static bool is_unneeded(const struct issuance *issuance)
{
    const struct cert_work *work = issuance->work;

    return issuance->is_optional &&
           (work->heeded.revocation == REVOCATION_FINAL ||
            (cert_work_lasts(work) && clock_now_s() < work->published.due_s));
}

enum issuance_event issuance_meaning(struct issuance *issuance, enum issuance_event event)
{
    const struct cert_draft *draft = issuance->work->draft;

    if (issuance->asked && issuance->state == ISSUANCE_READING)
        event = meaning_if_asked(issuance, event);
    if (event == ISSUANCE_ON_UNKNOWN_ISSUER)
        return is_to_wait(issuance) ? event : ISSUANCE_ON_DONE;
    if (event == ISSUANCE_ON_HELD)
        return draft->issued.leaf.validity.not_before > clock_now_s() ? event
                                                                      : ISSUANCE_ON_HELD_READY;
    if (event == ISSUANCE_ON_FAILED && issuance->next_try_us != 0)
        return ISSUANCE_ON_UNREPAIRED;
    if (event == ISSUANCE_ON_FAILED && is_unneeded(issuance))
        return ISSUANCE_ON_UNMET;
    if (event == ISSUANCE_ON_DONE && issuance->state == ISSUANCE_PUBLISHING &&
        issuance->next_try_us != 0)
        return ISSUANCE_ON_REPAIRED;
    return event;
}
