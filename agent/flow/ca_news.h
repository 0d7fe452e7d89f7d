/*
 * ca_news - what a look at the CA means for one certificate
 *
 * A certificate whose issuer does not sign any more, or whose serial number is on the list, is
 * replaced before it is due. Not at once: a fleet that learns it within minutes would ask together,
 * and whoever is to trust the new issuer must hold its certificate before the first leaf of it is
 * shown. Pure.
 */
#ifndef LEAFD_FLOW_CA_NEWS_H
#define LEAFD_FLOW_CA_NEWS_H

#include <stdbool.h>
#include <stdint.h>

enum ca_news {
    CA_NEWS_NONE,
    CA_NEWS_OTHER_ISSUER, /* somebody else signs by now */
    CA_NEWS_REVOKED       /* the serial number is on the list */
};

/* Keys as certificate_facts.authority_key has them, "" for one that is not known. */
struct ca_look {
    const char *signer; /* of the list: who signs by now */
    const char *ours;   /* who signed ours */
    const char *known;  /* who signed for others when ours was issued */
    bool revoked;
};

/*
 * ca_news_of - what the look tells
 *
 * A role may name an issuer that is not the default one. Its certificates come from another key
 * than the list for good: what was so when ours was issued is no news.
 */
enum ca_news ca_news_of(const struct ca_look *look);

/*
 * ca_news_due_s - when the replacement is to be asked for
 *
 * In the second half of `spread_s` from now on; `spread` is evenly spread over all of uint32_t.
 */
uint64_t ca_news_due_s(uint64_t now_s, uint64_t spread_s, uint32_t spread);

#endif
