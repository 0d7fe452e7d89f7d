/*
 * alarm - a moment on the wall clock, or a wait, whichever comes first
 *
 * Certificates are due by the wall clock, waits after failures go by the boot clock. The timer
 * itself always runs on the boot clock, sleeps an hour at most, and is computed again when the
 * clock is set: a step of the clock makes nothing fire early, and nothing be missed.
 */
#ifndef LEAFD_FLOW_ALARM_H
#define LEAFD_FLOW_ALARM_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stdint.h>

/* `reached` tells that the wall-clock moment has come; else the wait is over. */
typedef void alarm_rings(void *arg, bool reached);

/* Initialise with {0}. */
struct alarm {
    sd_event_source *timer;
    uint64_t moment_s; /* wall clock; 0: none */
    uint64_t until_us; /* boot clock; 0: none */
    alarm_rings *rings;
    void *arg;
};

/* alarm_open - makes it ready, not set; borrows `loop`; fails with class local */
bool alarm_open(struct alarm *alarm, sd_event *loop, alarm_rings *rings, void *arg,
                struct err *err);

/* alarm_close - gives back what it holds; {0} is fine */
void alarm_close(struct alarm *alarm);

/* alarm_set - rings once at `moment_s`, or after `wait_ms`; 0 for neither leaves that one out */
void alarm_set(struct alarm *alarm, uint64_t moment_s, uint64_t wait_ms);

/* alarm_hasten - a wait that is under way is over after `wait_ms` at the latest */
void alarm_hasten(struct alarm *alarm, uint64_t wait_ms);

/* alarm_recompute - the clock was set */
void alarm_recompute(struct alarm *alarm);

#endif
