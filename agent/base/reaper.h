/*
 * reaper - reaps orphans if this process is process 1 or a subreaper
 *
 * In a container without an init leafd is process 1: every orphan in it, such as a service that a
 * command started or a shell, becomes a child of leafd and stays a zombie until leafd reaps it.
 * base/child reaps the keepers of commands.
 */
#ifndef LEAFD_BASE_REAPER_H
#define LEAFD_BASE_REAPER_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <stdbool.h>

struct reaper;

/*
 * reaper_open - reaps orphans from now on, if they are reparented to this process; else *ret_reaper
 * is NULL
 *
 * SIGCHLD must be blocked in the whole process. Borrows `loop`. Fails with class local.
 */
bool reaper_open(sd_event *loop, struct reaper **ret_reaper, struct err *err);

/* reaper_close - stops reaping; NULL is fine */
void reaper_close(struct reaper *reaper);

#endif
