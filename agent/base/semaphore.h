/*
 * semaphore - limits how many operations of a kind run at once
 *
 * An issuance, a reload or a handshake holds memory, descriptors or a key. If no permit is free,
 * the caller waits in a queue. Groups take turns, and while other groups wait, a group gets at most
 * half of the permits: if one mount of the CA or one consumer hangs, operations on the others do
 * not wait behind it. The cost of a permit is logarithmic in the number of groups and independent
 * of the number of waiting callers.
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

/* Embedded in its owner; {0} before and afterwards. */
struct permit {
    struct permit_group *group; /* NULL: neither granted nor waiting */
    bool granted;
    permit_granted *on_granted;
    void *arg;
    TAILQ_ENTRY(permit) entry; /* in the queue */
};

TAILQ_HEAD(permit_groups, permit_group);

/* Initialise with semaphore_open. Every permit is given back before it is freed. */
struct semaphore {
    unsigned most, taken;
    struct permit_groups line; /* groups with waiting permits */
    void *groups;              /* all groups, a tree of tsearch(3) */
    bool is_granting;
    uint64_t steps; /* examined groups, for tests */
};

/* semaphore_open - a semaphore with `most` free permits; it needs no close */
void semaphore_open(struct semaphore *semaphore, unsigned most);

/*
 * semaphore_limit - changes the number of permits
 *
 * Granted permits stay granted; additional ones are granted at once.
 */
void semaphore_limit(struct semaphore *semaphore, unsigned most);

/*
 * semaphore_acquire - requests a permit for that group
 *
 * on_granted runs when it is granted, which may be from within this call. Fails with class local.
 */
bool semaphore_acquire(struct semaphore *semaphore, uint32_t group, permit_granted *on_granted,
                       void *arg, struct permit *permit, struct err *err);

/* semaphore_release - gives a permit back, or leaves the queue; {0} is fine */
void semaphore_release(struct semaphore *semaphore, struct permit *permit);

#endif
