/*
 * set_gate - how many sets of one disk are read at once
 *
 * At the start all sets are to be read. A job takes some kilobytes from its making to its end, so
 * ten thousand of them at once would leave a heap of many times what stays in it. Each disk has its
 * own places, and more of them than there may be jobs that hang (base/lane): a disk that does not
 * answer keeps no other one waiting, and its own sets no longer than its lanes would.
 */
#ifndef LEAFD_CERT_SET_GATE_H
#define LEAFD_CERT_SET_GATE_H

#include "base/lane.h"
#include "base/semaphore.h"

enum { SET_GATE_MOST = 4 * LANE_STUCK_MOST };

/* Initialise with {0}; holds nothing while nobody is in it. */
struct set_gate {
    void *disks; /* that somebody reads or waits for, for tsearch() */
};

/* One who reads, or waits for it; {0} before and afterwards. */
struct set_pass {
    struct set_gate *gate;
    struct gate_disk *disk;
    struct permit permit;
};

/* set_gate_enter - on_granted runs when there is a place, which may be from within this call; fails
 * with class local */
bool set_gate_enter(struct set_gate *gate, uint64_t disk, permit_granted *on_granted, void *arg,
                    struct set_pass *pass, struct err *err);

/* set_gate_leave - gives the place back, or waits no more; {0} is fine */
void set_gate_leave(struct set_pass *pass);

#endif
