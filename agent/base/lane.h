/*
 * lane - which job may run next, so that a disk that hangs holds nothing but its own jobs
 *
 * Every job belongs to a lane, and every lane to a disk. A lane is one directory, or one host to
 * look up: its jobs run one after the other, in the order in which they came. A disk is what
 * answers for its lanes, such as a mounted file system: a job that does not end marks its disk as
 * hanging. While it hangs, its other lanes have half of the threads at most, and no more than
 * LANE_STUCK_MOST of them hang at once: so other disks always find a thread, and a lane that only
 * seems to lie on the disk goes on. Jobs of computation have no lane and no disk, and never count
 * as hanging.
 *
 * Only the order is kept here: no thread, no clock, no lock. Every call takes constant time, but
 * for removing a job from the few of its own lane.
 */
#ifndef LEAFD_BASE_LANE_H
#define LEAFD_BASE_LANE_H

#include <stdbool.h>
#include <stdint.h>

enum { LANE_STUCK_MOST = 32 };

/* Jobs of a lower urgency start when no others can. */
enum worker_urgency { WORK_NEXT, WORK_WHEN_IDLE, WORKER_URGENCIES };

/* Where a job belongs. */
struct lane_key {
    const char *name; /* a directory, a host; NULL: computation */
    uint64_t disk;    /* its number: equal ones hang together */
};

/*
 * lane_of - the lane of a file, or of a host, where nobody knows the disk; borrows `asked`
 *
 * Paths of one directory are taken to hang together.
 */
struct lane_key lane_of(const char *asked);

struct lanes;

/* A place in the order, embedded in a job. */
struct lane_place {
    struct lane_place *next;
    struct lane *lane;
    enum worker_urgency urgency;
    bool is_stuck;
};

/* lanes_new - no jobs; at most `most` of one disk run at once; NULL if memory ran out */
struct lanes *lanes_new(unsigned most);

/* lanes_free - releases an order that no job is in any more; NULL is fine */
void lanes_free(struct lanes *lanes);

/* lanes_push - a job waits; copies the key's name; false if memory ran out, and nothing waits */
bool lanes_push(struct lanes *lanes, struct lane_place *place, const struct lane_key *key,
                enum worker_urgency urgency);

/* lanes_pop - the job that runs next; NULL if none may. Ends with lanes_end */
struct lane_place *lanes_pop(struct lanes *lanes);

/* lanes_end - a job that lanes_pop gave has run */
void lanes_end(struct lanes *lanes, struct lane_place *place);

/* lanes_remove - a job waits no more */
void lanes_remove(struct lanes *lanes, struct lane_place *place);

/* lanes_mark_stuck - a job runs for too long; true if it hangs, false if it only computes */
bool lanes_mark_stuck(struct lanes *lanes, struct lane_place *place);

/* lane_name - the name of the lane that a job is in; "" for one that computes */
const char *lane_name(const struct lane_place *place);

/* lanes_waiting - how many jobs wait, be it that they may not run yet */
unsigned lanes_waiting(const struct lanes *lanes);

#endif
