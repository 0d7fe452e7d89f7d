/*
 * polls - what the looks at the CA of a fleet cost
 *
 * leafd's own schedule (plan/ca_news), each look one request: who is named as issuer, and whether
 * the own serial number was revoked, in turn. The fleet boots within a minute.
 */
#ifndef LEAFD_TESTS_FLEET_POLLS_H
#define LEAFD_TESTS_FLEET_POLLS_H

#include <stdint.h>

struct polls_plan {
    uint32_t agents, life_s, days;
    uint64_t seed;
    uint32_t away_from_s, away_to_s; /* the CA does not answer */
    uint32_t changed_s;              /* from here on it names another issuer; 0: never */
};

struct polls {
    double a_day;           /* requests of one agent, once it is past its first day */
    double bytes_a_day;     /* likewise */
    uint32_t peak;          /* requests in the busiest second, after the first day */
    uint32_t peak_after;    /* looks and certificates that follow from the change, likewise */
    uint32_t last_learnt_s; /* from the change until the last agent has confirmed it */
    uint32_t first_shown_s; /* from the change until the first leaf of a new root may be shown */
};

/* What was measured on OpenBao 2.6.2 and Vault 1.21.4, each on a connection of its own with its TLS
 * handshake, both ways: the larger look, the smaller renewal, by JWT login and a P-256 CSR. */
enum { ISSUER_LOOK_BYTES = 4415, OWN_LOOK_BYTES = 3252, RENEWAL_BYTES = 6865 };

/* polls_run - simulates them */
void polls_run(const struct polls_plan *plan, struct polls *ret_polls);

#endif
