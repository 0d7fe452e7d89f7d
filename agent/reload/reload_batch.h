/*
 * reload_batch - who carries out which reload, and when
 *
 * Identical reloads that are pending at the same time are one: it is carried out once for all who
 * asked before it began, and its end is the end of each. Who asks while it runs gets the next one,
 * since it must see the files that were published meanwhile. The first begins at once; the next of
 * the same kind begins some time after the one before began, so that those of fifty certificates
 * that are published together are a few.
 *
 * In one lane one reload is carried out at a time, in the order in which they were asked for.
 * HAProxy has one transaction for all its certificates: two sections that set theirs at once would
 * mix them up. Over all lanes a limited number is carried out at a time.
 */
#ifndef LEAFD_RELOAD_RELOAD_BATCH_H
#define LEAFD_RELOAD_RELOAD_BATCH_H

#include "base/digest.h"
#include "base/semaphore.h"
#include "base/slot.h"

#include <stdint.h>

enum { RELOADS_AT_ONCE = 32, RELOADS_REMEMBERED = 16 };

/* A reload that began a moment ago. */
struct reload_begun {
    char key[DIGEST_HEX_BYTES];
    uint64_t next_us; /* when the next one like it may begin, since boot */
};

/* What all certificates share; initialise with {0}. Outlives every batch. */
struct reload_batches {
    void *lanes, *waiting; /* trees of tsearch(3), by lane and by key */
    struct semaphore permits;
    struct reload_begun begun[RELOADS_REMEMBERED]; /* the oldest is overwritten */
    unsigned begun_next;
};

/* How a reload starts; as every start of a stage. `job` stays as it is until the slot is dropped.
 */
typedef struct slot *batch_begin(void *job, slot_done *on_done, void *arg, struct err *err);

struct batch_order {
    char key[DIGEST_HEX_BYTES];  /* equal for reloads that are identical */
    char lane[DIGEST_HEX_BYTES]; /* one at a time in each */
    uint64_t apart_us;           /* from one begin to the next of the same key, at least */
    batch_begin *begin;
    void *job;
    void (*free_job)(void *job);
};

/*
 * reload_batch_start - carries the reload out when its batch comes, once for all who wait for it
 *
 * Borrows `batches`, and `order` during the call; takes the job, also when it fails. Of identical
 * reloads the job of one is begun, and those of the others are freed. Dropping the slot leaves the
 * reload to the others who wait for it; when nobody does any more it is cancelled. NULL with *err
 * filled if memory ran out (class local).
 */
struct slot *reload_batch_start(struct reload_batches *batches, sd_event *loop,
                                const struct batch_order *order, slot_done *on_done, void *arg,
                                struct err *err);

#endif
