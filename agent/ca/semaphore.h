/*
 * semaphore - how many certificates may be on their way at once
 *
 * From key to staged files a certificate holds a private key in the secure heap and, for a while, a
 * request on the wire. The permits bound both; who finds none free waits in line. While others wait
 * no group takes more than half of them: where one mount of the CA hangs, those of the others do
 * not end in its line.
 */
#ifndef LEAFD_CA_SEMAPHORE_H
#define LEAFD_CA_SEMAPHORE_H

#include "base/slot.h"

#include <stdint.h>

struct permit;

/* Initialise with {.loop = ..., .most = N}; every permit is given back before the loop ends. */
struct semaphore {
    sd_event *loop;
    unsigned most, taken;
    struct permit *first; /* in line */
    struct permit *granted;
};

/*
 * semaphore_acquire - asks for a permit, as one of that group
 *
 * on_done runs, without error, when it is granted. The slot is the permit: dropping it gives it
 * back. NULL with *err filled if memory ran out.
 */
struct slot *semaphore_acquire(struct semaphore *permits, uint32_t group, slot_done *on_done,
                               void *arg, struct err *err);

#endif
