/*
 * lane - decides which job runs next, so that a hanging disk delays only its own jobs
 *
 * Every job belongs to a lane, and every lane to a disk. A lane is one directory, or one host to
 * look up: its jobs run one after the other, in order. A disk is what hangs as a whole, such as a
 * mounted file system: a job that does not end marks its disk as hanging. The other lanes of a
 * hanging disk get at most half of the threads, and at most LANE_STUCK_MOST of its jobs hang at
 * once. So other disks always find a thread, and a lane that was assigned to the wrong disk
 * continues. Computations have no lane and no disk, and never count as hanging.
 *
 * This module only keeps the order: it has no thread, no clock and no lock. Every call takes
 * constant time, except that removing a job is linear in the jobs of its lane.
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
    const char *name; /* a directory or a host; NULL: computation */
    uint64_t disk;    /* its number; lanes of one disk hang together */
};

/*
 * lane_of - the lane of a file or a host whose disk is not known; borrows `asked`
 *
 * Paths in one directory are assumed to hang together.
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

/* lanes_free - frees an order without jobs; NULL is fine */
void lanes_free(struct lanes *lanes);

/* lanes_push - adds a waiting job; copies the key's name; false, without adding it, if memory ran
 * out */
bool lanes_push(struct lanes *lanes, struct lane_place *place, const struct lane_key *key,
                enum worker_urgency urgency);

/* lanes_pop - takes the job that runs next; NULL if none may run. Ends with lanes_end */
struct lane_place *lanes_pop(struct lanes *lanes);

/* lanes_end - notes that a job of lanes_pop has ended */
void lanes_end(struct lanes *lanes, struct lane_place *place);

/* lanes_remove - removes a waiting job */
void lanes_remove(struct lanes *lanes, struct lane_place *place);

/* lanes_mark_stuck - marks a job that runs too long; false for computation, which never counts as
 * hanging */
bool lanes_mark_stuck(struct lanes *lanes, struct lane_place *place);

/* lane_name - the name of the job's lane; "" for computation */
const char *lane_name(const struct lane_place *place);

/* lanes_waiting - the number of waiting jobs, including those that may not run yet */
unsigned lanes_waiting(const struct lanes *lanes);

#endif
