/*
 * ca_news - when the CA is polled, and what a poll means for one certificate
 *
 * The answer of a poll comes from a public endpoint, so it proves nothing: its only consequence is
 * an early renewal, at most one in half a lifetime. Only a leaf that the CA signs for us proves
 * which issuer signs for our role. Pure.
 */
#ifndef LEAFD_PLAN_CA_NEWS_H
#define LEAFD_PLAN_CA_NEWS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CA_NEWS_IN_A_ROW = 3, /* polls that must agree before another issuer is believed */
    CA_NEWS_SPREAD_POLLS =
        6 /* the spread in polls; all agents learn of the new CA in its first half */
};

/* ca_poll and ca_spread if they are not set: derived from the lifetime. */
#define CA_NEWS_AUTO UINT64_MAX

enum ca_news {
    CA_NEWS_NONE,
    CA_NEWS_BASELINE, /* the first poll: the role may have another issuer than the one that is named
                       */
    CA_NEWS_UNSURE, /* another issuer, but one or two polls may have hit a node that lags behind */
    CA_NEWS_OTHER_ISSUER /* another issuer, confirmed: an early renewal shows whether it signs for
                            us */
};

/* Keys have the form of certificate_facts.authority_key; "" if not known. */
struct ca_look {
    const char *named; /* the issuer that the CA names now */
    const char *ours;  /* the issuer of the published certificate */
    bool is_known;     /* `named` was seen before, and did not sign for us */
    bool has_baseline; /* the issuer that was named when ours was issued is known */
    unsigned in_a_row; /* polls that named the same issuer, including this one */
    uint64_t now_s, life_s;
    uint64_t early_at_s; /* when the last early renewal was requested; 0: never */
};

/* ca_news_of - the meaning of the poll; there is at most one early renewal in half a lifetime */
enum ca_news ca_news_of(const struct ca_look *look);

/* ca_news_is_early - whether the early renewal at early_at_s (0: none) is less than half a lifetime
 * ago */
bool ca_news_is_early(uint64_t early_at_s, uint64_t life_s, uint64_t now_s);

/*
 * ca_news_poll_s - the seconds between polls
 *
 * `configured` is 0 for none or CA_NEWS_AUTO for a twentieth of the lifetime, at least 5 min and at
 * most 6 h: the polls of 100,000 agents then make less than ten times the requests of their
 * renewals.
 */
uint64_t ca_news_poll_s(uint64_t configured, uint64_t life_s);

/*
 * ca_news_bundle_s - the seconds between two reads of the issuers, for [trust]
 *
 * `configured` is ca_poll. CA_NEWS_AUTO gives an hour: peers learn of a new issuer well within the
 * spread of certificates that live for a day. 0, and every longer time, gives a day: a set of CA
 * certificates that is never read again would end unnoticed.
 */
uint64_t ca_news_bundle_s(uint64_t configured);

/*
 * ca_news_read_again_s - when the issuers and revocation lists are read again that were read at
 * `read_s`
 *
 * After `poll_s`, jittered by an eighth of it; or in a window from 40 to 55 % of the time that is
 * left until `end_s`, if that comes first: a list may live for minutes. Not within 2 s, unless
 * `poll_s` is shorter. `random` is uniform over uint32_t.
 */
uint64_t ca_news_read_again_s(uint64_t read_s, uint64_t end_s, uint64_t poll_s, uint32_t random);

/*
 * ca_news_spread_s - the seconds over which certificates of a new CA are published
 *
 * CA_NEWS_AUTO, and every smaller value, gives CA_NEWS_SPREAD_POLLS polls: with less, some agents
 * would not have polled when the first such certificate is published.
 */
uint64_t ca_news_spread_s(uint64_t configured, uint64_t poll_s);

/* ca_news_first_ms - the milliseconds until the first poll: a random part of the interval */
uint64_t ca_news_first_ms(uint64_t poll_s, uint32_t random);

struct ca_wait {
    uint64_t poll_s;
    unsigned failures; /* in a row */
    bool unsure;
};

/*
 * ca_news_wait_ms - the milliseconds until the next poll
 *
 * Jittered by an eighth of the interval with `random`, which is uniform over uint32_t, so that a
 * fleet does not poll together. Up to four times as long after failures; an eighth of it after an
 * unsure poll.
 */
uint64_t ca_news_wait_ms(const struct ca_wait *wait, uint32_t random);

/*
 * ca_news_shown_s - when the first certificate of a new CA may be published
 *
 * In the second half of `spread_s` from now on; `spread` is uniform over uint32_t. Peers poll the
 * CA, confirm the new issuer within the first half, and trust it then. The certificate in place
 * expires at `end_s`: a fifth of its remaining life is kept in reserve, so the moment may come
 * earlier. It is now_s if less than one of the spread's polls remains: few peers would learn of the
 * CA in that time.
 */
uint64_t ca_news_shown_s(uint64_t now_s, uint64_t spread_s, uint64_t end_s, uint32_t spread);

/*
 * ca_news_replace_s - when a revoked certificate is replaced
 *
 * At once the first time. If `replaced` certificates before it were revoked as well, within a
 * lifetime each, the wait is a 32nd of the lifetime, doubled with each up to half of it: the cause
 * of the revocations persists, and replacing at once would never end.
 */
uint64_t ca_news_replace_s(uint64_t now_s, unsigned replaced, uint64_t life_s);

#endif
