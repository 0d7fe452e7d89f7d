#include "flow/ca_steps.h"

#include "base/bytes.h"
#include "base/when.h"
#include "flow/ca_news.h"
#include "flow/cert_log.h"
#include "flow/consumer_steps.h"

#include <stdlib.h>
#include <string.h>

enum { CHAIN_MOST_BYTES = 64 * 1024 };

bool cert_flow_is_of(const struct cert_flow *flow, const struct ca_place *place)
{
    const struct ca_place ours = ca_place_of(flow->work.cert);

    return ca_place_is(&ours, place);
}

/* When what follows from news is due, for this certificate among all. */
static uint64_t due_after_news_s(const struct cert_work *work)
{
    const char *const texts[] = {work->cert->name, work->published.serial, work->signer, NULL};

    return ca_news_due_s(when_now_s(), work->config->agent.ca_spread_s, digest_spread(texts));
}

/* Moves the renewal forward, and tells it once. */
static void hurry(struct cert_flow *flow, enum ca_news news)
{
    struct cert_work *work = &flow->work;
    uint64_t due_s = due_after_news_s(work);

    work->hurry.reason = news == CA_NEWS_REVOKED ? "the CA has revoked the published certificate"
                                                 : "the CA has another issuer by now";
    work->hurry.other_issuer = news == CA_NEWS_OTHER_ISSUER;
    /* What was revoked is never gone back to. */
    if (news == CA_NEWS_REVOKED)
        work->state.consumer.accepted[0] = '\0';
    work->hurry.due_s = due_s;
    if (due_s < work->published.due_s)
        work->published.due_s = due_s;
    cert_log_hurried(work);
    step_rest_until_due(flow);
}

/* Whether a new issuer's chain has to come into the trust bundle yet. */
static bool wants_chain(const struct cert_work *work)
{
    return work->hurry.other_issuer && !work->hurry.is_announced &&
           work->cert->trust_anchor == NULL;
}

bool cert_flow_take_list(struct cert_flow *flow, struct crl *crl)
{
    struct cert_work *work = &flow->work;
    struct ca_look look = {
        .signer = work->signer, .ours = work->published.authority_key, .known = work->state.signer};
    enum ca_news news;

    memcpy(work->signer, crl_authority_key(crl), sizeof work->signer);
    if (flow->state != FLOW_WAITING || !work->published.usable)
        return false;
    if (work->hurry.due_s != 0)
        return wants_chain(work);
    look.revoked = crl_has(crl, work->published.serial);
    news = ca_news_of(&look);
    if (news != CA_NEWS_NONE) {
        hurry(flow, news);
    } else if (strcmp(work->state.signer, work->signer) != 0) {
        memcpy(work->state.signer, work->signer, sizeof work->state.signer);
        cert_work_save(work);
    }
    return wants_chain(work);
}

void cert_flow_take_chain(struct cert_flow *flow, const char *pem)
{
    struct cert_work *work = &flow->work;

    if (flow->state != FLOW_WAITING || !wants_chain(work) || strlen(pem) > CHAIN_MOST_BYTES)
        return;
    free(work->hurry.announced);
    work->hurry.announced = strdup(pem);
    if (work->hurry.announced != NULL)
        work->deliver(work, EV_ANNOUNCED, NULL);
}

/* The certificates of a list as one text; NULL if memory ran out. */
static char *joined(const struct text_list *list)
{
    struct bytes text = {.limit = CHAIN_MOST_BYTES};

    for (size_t i = 0; i < list->count; i++)
        if (!bytes_add(&text, list->items[i], strlen(list->items[i]))) {
            bytes_free(&text);
            return NULL;
        }
    return text.data;
}

void step_make_issuer_known(struct cert_flow *flow)
{
    struct cert_work *work = &flow->work;

    cert_work_forget_hurry(work);
    work->hurry = (struct cert_hurry){
        .due_s = due_after_news_s(work),
        .reason = "the CA has another issuer by now",
        .announced = joined(&work->draft->issued.ca_pem),
        .other_issuer = true,
        .postpones = true,
    };
    work->published.due_s = work->hurry.due_s;
    cert_log_hurried(work);
    step_queue_to_announce(flow);
}

void step_queue_to_announce(struct cert_flow *flow)
{
    cert_work_give_reason(&flow->work, "the CA has a new issuer, which is to be trusted before its "
                                       "first certificate is shown");
    step_queue_to_restage(flow);
}

void step_nothing_to_announce(struct cert_flow *flow)
{
    step_rest_until_due(flow);
}
