/*
 * reload_unit - has systemd reload a unit, and waits for the result
 *
 * ReloadOrTryRestartUnit of org.freedesktop.systemd1.Manager makes a job. The signal JobRemoved
 * reports its end and result; the subscription is sent first, as org.freedesktop.systemd1(5)
 * demands, and the signal may come before the reply to the call. For a unit that is not active the
 * job does nothing and ends well, so the unit's state is read afterwards. leafd starts no unit,
 * cancels no job of others, and does not wait for a start that is under way. Each reload has a
 * connection of its own: reloads are rare, and dropping the slot drops the connection.
 */
#ifndef LEAFD_RELOAD_RELOAD_UNIT_H
#define LEAFD_RELOAD_RELOAD_UNIT_H

#include "base/slot.h"

#include <stdint.h>

/*
 * reload_unit_start - reloads the unit, or restarts it if it has no reload
 *
 * Uses the bus of DBUS_SYSTEM_BUS_ADDRESS, else the system's. Borrows `unit`, its name, until it
 * has ended. Ends well when the job's result is `done` and the unit is active. Any other result,
 * and `limit_s` seconds without one, is class consumer, with err->nobody if the unit is not active,
 * or is being started or stopped. Dropping the slot does not cancel systemd's job. NULL with *err
 * filled if there is no bus (class consumer) or memory ran out (class local).
 */
struct slot *reload_unit_start(sd_event *loop, const char *unit, uint64_t limit_s,
                               slot_done *on_done, void *arg, struct err *err);

#endif
