/*
 * semaphore - how many of a kind may be under way at once
 *
 * Certificates from key to staged files, reloads, handshakes: each holds memory, descriptors or a
 * key. Who finds no permit free waits in line. Groups take turns, and while others wait no group
 * has more than half of the permits: where one mount of the CA hangs, or one consumer, those of the
 * others do not wait behind it. What a permit costs does not depend on how many wait; on the number
 * of groups by its logarithm.
 */
#ifndef LEAFD_BASE_SEMAPHORE_H
#define LEAFD_BASE_SEMAPHORE_H

#include "base/err.h"

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

struct permit_group;

/* Called once, from semaphore_acquire or from the call that gave a permit back. */
typedef void permit_granted(void *arg);

/* Lies in what it belongs to; {0} before and afterwards. */
struct permit {
    struct permit_group *group; /* NULL: neither granted nor in line */
    bool granted;
    permit_granted *on_granted;
    void *arg;
    TAILQ_ENTRY(permit) entry; /* in line */
};

TAILQ_HEAD(permit_groups, permit_group);

/* Initialise with semaphore_open; every permit is given back before it goes. */
struct semaphore {
    unsigned most, taken;
    struct permit_groups line; /* groups of which somebody waits */
    void *groups;              /* all of them, for tsearch() */
    uint64_t steps;            /* groups looked at for a permit, for tests */
};

/* semaphore_open - with so many permits, none taken; nothing of it is to be closed */
void semaphore_open(struct semaphore *semaphore, unsigned most);

/*
 * semaphore_limit - has so many permits from now on
 *
 * Those that are granted stay so; more are granted at once.
 */
void semaphore_limit(struct semaphore *semaphore, unsigned most);

/*
 * semaphore_acquire - asks for a permit, as one of that group
 *
 * on_granted runs when it is granted, which may be from within this call. Fails with class local.
 */
bool semaphore_acquire(struct semaphore *semaphore, uint32_t group, permit_granted *on_granted,
                       void *arg, struct permit *permit, struct err *err);

/* semaphore_release - gives a permit back, or leaves the line; {0} is fine */
void semaphore_release(struct semaphore *semaphore, struct permit *permit);

#endif
