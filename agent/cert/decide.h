/*
 * decide - decides what to do about what was found on disk
 *
 * Called at every start, after every failure and after every change of the configuration. Pure.
 */
#ifndef LEAFD_CERT_DECIDE_H
#define LEAFD_CERT_DECIDE_H

#include "install/installed.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a set is wanted whose time has come, in words that follow "because". */
#define CERT_DUE   "the published certificate is due"
#define BUNDLE_DUE "the CA may have other issuers by now"

enum verdict {
    VERDICT_FRESH,     /* nothing to do until the renewal is due */
    VERDICT_RESTAGE,   /* the set is intact, but its files must be rewritten */
    VERDICT_ISSUE,     /* a new certificate is needed */
    VERDICT_LATER,     /* a new certificate is needed, but a wait after a failure is in force */
    VERDICT_WITHDRAWN, /* the published one was revoked and must not be replaced */
    VERDICT_HOLD       /* a new certificate is needed, and is held already */
};

struct findings {
    enum installed_health health;
    const char *why;        /* reason for `health` */
    const char *difference; /* of section and certificate; NULL: none */
    uint64_t due_s, end_s, now_s;
    bool is_trust; /* a [trust] section: due means that the CA is to be asked again */
    bool revoked;
    bool withdrawn;          /* revoked, and not to be replaced until the operator asks for it */
    bool held;               /* a useful generation is held until its notBefore */
    bool refused;            /* the consumer refused a generation, which was rolled back */
    bool asks_otherwise;     /* the section requests something else than what was refused */
    uint64_t try_again_at_s; /* saved; 0: not in force */
};

/* decide - returns the verdict; *ret_reason says why, in words that follow "because" */
enum verdict decide(const struct findings *findings, const char **ret_reason);

#endif
