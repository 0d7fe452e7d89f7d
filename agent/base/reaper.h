/*
 * reaper - fetches whoever is left to this process, where it is the one that orphans fall to
 *
 * A container without an init of its own makes leafd process 1: whatever loses its parent in it, be
 * it a service that a command started or somebody's shell, becomes a child of leafd and stays a
 * zombie until it is fetched. The keepers of commands are left to those who watch them
 * (base/child).
 */
#ifndef LEAFD_BASE_REAPER_H
#define LEAFD_BASE_REAPER_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <stdbool.h>

struct reaper;

/*
 * reaper_open - fetches orphans from now on, if they fall to this process; else *ret_reaper is NULL
 *
 * SIGCHLD must be blocked in the whole process. Borrows `loop`. Fails with class local.
 */
bool reaper_open(sd_event *loop, struct reaper **ret_reaper, struct err *err);

/* reaper_close - ends that; NULL is fine */
void reaper_close(struct reaper *reaper);

#endif
