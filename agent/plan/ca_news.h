/*
 * ca_news - when the CA is looked at, and what a look means for one certificate
 *
 * Whatever a look tells comes from an endpoint that answers everybody, so it proves nothing: all
 * that may follow from it is that a certificate is asked for earlier, once in a window of its life.
 * Which CA signs for our role is proven by a leaf that it signs for us. Pure.
 */
#ifndef LEAFD_PLAN_CA_NEWS_H
#define LEAFD_PLAN_CA_NEWS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CA_NEWS_IN_A_ROW = 3,    /* looks that agree before another issuer is believed in */
    CA_NEWS_SPREAD_POLLS = 6 /* the spread, in polls, in the first half of which everybody learns */
};

/* ca_poll and ca_spread where nobody set them: derived from the lifetime. */
#define CA_NEWS_AUTO UINT64_MAX

enum ca_news {
    CA_NEWS_NONE,
    CA_NEWS_BASELINE, /* the first look: a role may have an issuer of its own, as this one tells */
    CA_NEWS_UNSURE,   /* another issuer, but a look or two may come from a node out of step */
    CA_NEWS_OTHER_ISSUER /* another issuer for certain: a certificate shows whether it is ours */
};

/* Keys as certificate_facts.authority_key has them, "" for one that is not known. */
struct ca_look {
    const char *named; /* whom the CA names as issuer now */
    const char *ours;  /* who signed the published certificate */
    bool is_known;     /* `named` was seen before, and has not signed for us */
    bool has_baseline; /* it is known who was named when ours was issued */
    unsigned in_a_row; /* looks that named the same, this one included */
    uint64_t now_s, life_s;
    uint64_t early_at_s; /* when a certificate was last asked for early; 0: never */
};

/* ca_news_of - what the look tells; no second early renewal comes within half a life */
enum ca_news ca_news_of(const struct ca_look *look);

/* ca_news_is_early - whether an early renewal at early_at_s, 0 for none, is not half a life ago */
bool ca_news_is_early(uint64_t early_at_s, uint64_t life_s, uint64_t now_s);

/*
 * ca_news_poll_s - the seconds between looks
 *
 * `configured` is 0 for none or CA_NEWS_AUTO for a twentieth of the lifetime, at least 5 min and at
 * most 6 h: 100,000 agents then cost less than ten times what their renewals do.
 */
uint64_t ca_news_poll_s(uint64_t configured, uint64_t life_s);

/*
 * ca_news_spread_s - the seconds over which certificates of a new CA come
 *
 * CA_NEWS_AUTO, and whatever is less, is CA_NEWS_SPREAD_POLLS polls: in less not everybody has
 * looked when the first of them is shown.
 */
uint64_t ca_news_spread_s(uint64_t configured, uint64_t poll_s);

/* ca_news_first_ms - the milliseconds until the first look: anywhere in the poll's length */
uint64_t ca_news_first_ms(uint64_t poll_s, uint32_t random);

struct ca_wait {
    uint64_t poll_s;
    unsigned failures; /* in a row */
    bool unsure;
};

/*
 * ca_news_wait_ms - the milliseconds until the next look
 *
 * Within an eighth of the poll's length, from `random`, which is evenly spread over uint32_t, so
 * that a fleet does not ask together. After failures up to four times as
 * long; after an unsure look an eighth of it.
 */
uint64_t ca_news_wait_ms(const struct ca_wait *wait, uint32_t random);

/*
 * ca_news_shown_s - when the first certificate of a new CA may be shown
 *
 * In the second half of `spread_s` from now on; `spread` is evenly spread over all of uint32_t. Who
 * asks looks at the CA twice and confirms it within the first half, and trusts it then. The
 * certificate that is shown meanwhile ends at `end_s`: a fifth of what is left of it is kept in
 * reserve, so the moment may come earlier. It is now_s if what can be waited for is less than one
 * of the spread's polls: few would learn in that time.
 */
uint64_t ca_news_shown_s(uint64_t now_s, uint64_t spread_s, uint64_t end_s, uint32_t spread);

/*
 * ca_news_replace_s - when a certificate that was found revoked is replaced
 *
 * At once the first time. If `replaced` certificates before it were found revoked as well, within a
 * life each, the wait is a 32nd of the life, doubled with each up to half of it: what revokes them
 * goes on, and asking again at once would never end.
 */
uint64_t ca_news_replace_s(uint64_t now_s, unsigned replaced, uint64_t life_s);

#endif
