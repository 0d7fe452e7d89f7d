/*
 * reload_unit - has systemd reload a unit, and waits for the outcome
 *
 * ReloadOrTryRestartUnit of org.freedesktop.systemd1.Manager makes a job; its end and result come
 * as the signal JobRemoved, which is asked for first, as org.freedesktop.systemd1(5) demands, and
 * may come before the call's own answer. For a unit that does not run the job is empty and ends
 * well, so that the unit's state is asked for behind it. Nothing is started, no job of somebody
 * else's is cancelled, and no start that is under way is waited for. A connection of its own for
 * each reload: they are rare, and dropping the slot forgets all of it.
 */
#ifndef LEAFD_RELOAD_RELOAD_UNIT_H
#define LEAFD_RELOAD_RELOAD_UNIT_H

#include "base/slot.h"

#include <stdint.h>

/*
 * reload_unit_start - reloads the unit, or restarts it if it knows no reload
 *
 * The bus is the one of DBUS_SYSTEM_BUS_ADDRESS, else the system's. Borrows `unit`, its name, until
 * it has ended. Ends well when the job's result is `done` and the unit is active; everything else,
 * and `limit_s` seconds without an end, is class consumer, with err->nobody if the unit does not
 * run, or is being started or stopped. Dropping the slot leaves a job that runs alone. NULL with
 * *err filled if there is no bus (class consumer) or memory ran out (class local).
 */
struct slot *reload_unit_start(sd_event *loop, const char *unit, uint64_t limit_s,
                               slot_done *on_done, void *arg, struct err *err);

#endif
