/*
 * cert_state - what must outlive a restart beside the generation itself
 *
 * "..state" in the set's directory: how often issuing has failed in a row and when to try again, so
 * that a crash loop does not hammer the CA; and for which generation the consumer has been told to
 * reload, so that a crash between publish and reload loses no reload. Missing or damaged, it says
 * nothing: no failures, nothing reloaded.
 */
#ifndef LEAFD_INSTALL_CERT_STATE_H
#define LEAFD_INSTALL_CERT_STATE_H

#include "base/err.h"
#include "install/generation.h"

struct cert_state {
    unsigned failures;       /* of issuing, in a row */
    uint64_t failed_at_s;    /* the last one */
    uint64_t try_again_at_s; /* wall clock */
    struct err failure;      /* the last one: kind and text */

    /* The generation that the consumer was told of, "" for none; and failures to tell it. */
    char reloaded[GENERATION_NAME_BYTES];
    unsigned reload_failures;
};

/* cert_state_read - reads the state; {0} if there is none */
void cert_state_read(int set_fd, struct cert_state *ret_state);

/* cert_state_write - replaces the state, durably; blocks on the disk; fails with class local */
bool cert_state_write(int set_fd, const struct cert_state *state, struct err *err);

#endif
