/*
 * difference - why what is published is not what is wanted
 *
 * Only what is asked of the CA counts here: a change of it means a new certificate. Files, modes
 * and owners are compared by install/, which can repair them from the set that is there. Pure.
 */
#ifndef LEAFD_PLAN_DIFFERENCE_H
#define LEAFD_PLAN_DIFFERENCE_H

#include "base/cert_request.h"

#include <stdbool.h>

/* What a certificate was, or will be, asked for. Texts are borrowed; NULL is what was not given. */
struct request_facts {
    struct cert_request request;
    const char *pki_mount, *pki_role, *issuer;
    bool key_from_ca;
};

/* difference_between - what differs first, in words that follow "the"; NULL if nothing does */
const char *difference_between(const struct request_facts *published,
                               const struct request_facts *wanted);

#endif
