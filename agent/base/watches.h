/*
 * watches - reports changes in many directories, by one inotify instance
 *
 * inotify_add_watch(2) and inotify_rm_watch(2) resolve a path and access inodes, which may hang
 * with the disk: only workers call them (watches_add, watches_remove), with the instance's
 * descriptor. The loop reads events, which never blocks.
 */
#ifndef LEAFD_BASE_WATCHES_H
#define LEAFD_BASE_WATCHES_H

#include "base/err.h"

#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stdint.h>

struct watches;

/* Called on the loop: the entry `name` has changed; "": the directory itself, or an unknown
 * entry. */
typedef void watches_changed(void *arg, const char *name);

/* watches_open - opens the inotify instance; borrows `loop`; fails with class local */
bool watches_open(sd_event *loop, struct watches **ret_watches, struct err *err);

/* watches_close - ends all watches; NULL is fine. All workers that use the descriptor have ended
 * before */
void watches_close(struct watches *watches);

/* watches_descriptor - the descriptor for watches_add and watches_remove; it belongs to
 * `watches` */
int watches_descriptor(const struct watches *watches);

/*
 * watches_add - for a worker: starts to watch a directory for changes of names and attributes
 *
 * Returns the number of the watch, above 0; 0 if the directory cannot be watched. A directory that
 * is watched already has the same number.
 */
int watches_add(int descriptor, const char *directory);

/* watches_remove - for a worker: ends a watch */
void watches_remove(int descriptor, int watch);

/*
 * watches_hear - calls on_changed for changes from now on
 *
 * True if something has changed, or may have, since watches_add. True also if memory ran out; then
 * no changes are reported.
 */
bool watches_hear(struct watches *watches, int watch, watches_changed *on_changed, void *arg);

/* watches_unhear - stops reporting changes; the watch itself stays until watches_remove */
void watches_unhear(struct watches *watches, int watch);

#endif
