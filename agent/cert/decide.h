/*
 * decide - what is to be done about what was found on disk
 *
 * The one decision that is taken anew at every start, after every failure and after every change of
 * the configuration. Pure.
 */
#ifndef LEAFD_CERT_DECIDE_H
#define LEAFD_CERT_DECIDE_H

#include "install/installed.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict {
    VERDICT_FRESH,     /* nothing is to be done until it is due */
    VERDICT_RESTAGE,   /* the set is sound, but the files are not as they should be */
    VERDICT_ISSUE,     /* a new certificate is wanted */
    VERDICT_LATER,     /* a new certificate is wanted, but it failed a moment ago */
    VERDICT_WITHDRAWN, /* what is published was revoked, and nobody wants another one */
    VERDICT_HOLD       /* a new certificate is wanted, and there already, but not yet valid */
};

struct findings {
    enum installed_health health;
    const char *why;        /* of the health */
    const char *difference; /* of what is asked of the CA; NULL: none */
    uint64_t due_s, end_s, now_s;
    bool revoked;
    bool withdrawn; /* revoked, and not to be replaced until somebody asks for it */
    bool held;    /* a generation is staged that is wanted, and lacks only that its time has come */
    bool refused; /* by the consumer, while what is published was taken back */
    bool asks_otherwise;     /* the section asks for something else than what was refused */
    uint64_t try_again_at_s; /* persisted; 0: not to be honoured */
};

/* decide - the verdict, and in *ret_reason why, in words that follow "because" */
enum verdict decide(const struct findings *findings, const char **ret_reason);

#endif
