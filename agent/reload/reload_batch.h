/*
 * reload_batch - merges identical reloads and limits how many run at once
 *
 * Identical reloads that are pending at the same time are carried out once, and all requests that
 * came before it began share its result. A request that comes while it runs gets the next one,
 * since the consumer must see the files that were published meanwhile. The first reload begins at
 * once; the next identical one begins a while after the previous one began, so that fifty
 * certificates that are published together cause only a few.
 *
 * A lane carries out one reload at a time, in the order of the requests. HAProxy has one
 * transaction for all its certificates: two sections that used it at once would mix up their files.
 * RELOADS_AT_ONCE limits the reloads in all lanes together.
 */
#ifndef LEAFD_RELOAD_RELOAD_BATCH_H
#define LEAFD_RELOAD_RELOAD_BATCH_H

#include "base/digest.h"
#include "base/semaphore.h"
#include "base/slot.h"

#include <stdint.h>

enum { RELOADS_AT_ONCE = 32, RELOADS_REMEMBERED = 16 };

/* A reload that began recently. */
struct reload_begun {
    char key[DIGEST_HEX_BYTES];
    uint64_t next_us; /* earliest begin of the next identical one, on the boot clock */
};

/* Shared by all certificates; initialise with {0}. Outlives every batch. */
struct reload_batches {
    void *lanes, *waiting; /* trees of tsearch(3), by lane and by key */
    struct semaphore permits;
    struct reload_begun begun[RELOADS_REMEMBERED]; /* the oldest is overwritten */
    unsigned begun_next;
};

/* Starts a reload, as every start of a stage. `job` stays unchanged until the slot is dropped. */
typedef struct slot *batch_begin(void *job, slot_done *on_done, void *arg, struct err *err);

struct batch_order {
    char key[DIGEST_HEX_BYTES];  /* equal for identical reloads */
    char lane[DIGEST_HEX_BYTES]; /* each lane runs one reload at a time */
    uint64_t apart_us;           /* least time between two begins with the same key */
    batch_begin *begin;
    void *job;
    void (*free_job)(void *job);
};

/*
 * reload_batch_start - carries out the reload when its time comes, once for all identical requests
 *
 * Borrows `batches`, and `order` during the call; takes the job, also when it fails. Of identical
 * requests one job is used and the others are freed. Dropping the slot leaves the reload to the
 * other requests; when the last one is dropped, the reload is cancelled. NULL with *err filled if
 * memory ran out (class local).
 */
struct slot *reload_batch_start(struct reload_batches *batches, sd_event *loop,
                                const struct batch_order *order, slot_done *on_done, void *arg,
                                struct err *err);

#endif
