/*
 * denials - which paths of the CA were denied to a fresh token
 *
 * There the policy is the cause, and another login is of no use for a while. What is remembered
 * holds for one stamp of the credentials. Pure but for memory.
 */
#ifndef LEAFD_CA_DENIALS_H
#define LEAFD_CA_DENIALS_H

#include "base/digest.h"

/* One path, as a digest: two paths with the same one cost no more than a later login. */
struct denial {
    uint32_t path;
    uint64_t at_us;
};

/* Initialise with {0}, end with denials_forget_all. */
struct denials {
    struct denial *items;
    size_t count;
    char stamp[DIGEST_HEX_BYTES];
};

/* denials_note - a fresh token was denied there, at `at_us`, which is not 0; without memory it is
 * not remembered */
void denials_note(struct denials *denials, const char *stamp, uint32_t path, uint64_t at_us);

/* denials_last_us - when that was, with credentials of that stamp; 0: never */
uint64_t denials_last_us(const struct denials *denials, const char *stamp, uint32_t path);

/* denials_forget - the path was accepted */
void denials_forget(struct denials *denials, uint32_t path);

/* denials_forget_all - none is remembered any more, and nothing is held */
void denials_forget_all(struct denials *denials);

#endif
