/*
 * orders - what the suites tell strike and starve, and what these tell back
 *
 * One page of memory, a file that both sides map. The suite writes the order, then `action`; the
 * tool counts and, when the count is reached, does it. struct.py of the suites names the same
 * fields in the same order: tests/torture/tools.py.
 */
#ifndef TORTURE_ORDERS_H
#define TORTURE_ORDERS_H

#include <stdint.h>

enum strike_action {
    STRIKE_NOTHING, /* count only */
    STRIKE_KILL,    /* SIGKILL */
    STRIKE_CUT,     /* the file system of `mount` loses its power, then SIGKILL */
    STRIKE_FAIL,    /* the call fails with `errnum` */
    STRIKE_SHORTEN, /* a write takes one byte only */
    STRIKE_HOLD /* the command is held, a byte is sent to `socket`, and it goes on with a reply */
};

enum strike_scope {
    SCOPE_WORK, /* every call from the moment on that the agent sets its umask */
    SCOPE_SET   /* every call that touches `directory`, or what is below it, or handles a child
                   process */
};

struct strike_orders {
    volatile uint32_t action, scope;
    volatile uint32_t at;    /* the call to strike, counted from 1 */
    volatile uint32_t after; /* not before it but after it */
    volatile int32_t errnum;
    volatile uint32_t sync_at; /* the mount is synced before this call; 0: never */
    volatile uint32_t seen;    /* back: calls so far */
    volatile uint32_t struck;  /* back: whether it happened */
    volatile uint32_t call;    /* back: the number of the call that was struck */
    volatile uint32_t until;   /* STRIKE_HOLD: held once more before this call; 0: never */
    volatile int32_t socket;   /* of STRIKE_HOLD, open when strike starts; 0: none */
    volatile uint32_t spare;
    char mount[256];     /* where the cut file system is mounted */
    char directory[256]; /* what SCOPE_SET is about, mostly the set's directory */
    char what[256];      /* back: the path that the struck call was about */
};

#endif
