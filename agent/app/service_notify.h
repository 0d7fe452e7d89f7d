/*
 * service_notify - what the service manager is told (sd_notify(3))
 *
 * Nothing happens where no manager listens (NOTIFY_SOCKET is not set). A manager that does not read
 * its socket holds up nobody: what it could not be told waits, the latest status in place of those
 * before, and is tried again every second. sd_notify() and the watchdog of sd-event wait in that
 * case, and the event loop with them, so neither is used.
 */
#ifndef LEAFD_APP_SERVICE_NOTIFY_H
#define LEAFD_APP_SERVICE_NOTIFY_H

#include "base/err.h"

#include <systemd/sd-event.h>

/*
 * service_notify_open - takes up NOTIFY_SOCKET, and the watchdog if WATCHDOG_USEC wants one
 *
 * Before it and after service_notify_close nobody is told anything. Borrows `loop`. Fails with
 * class local.
 */
bool service_notify_open(sd_event *loop, struct err *err);

/* service_notify_close - gives up what still waits; after the last iteration of the loop */
void service_notify_close(void);

/* service_notify_ready - READY=1: every certificate is usable, or was tried */
void service_notify_ready(void);

/* service_notify_reloading - RELOADING=1, with the clock that Type=notify-reload wants */
void service_notify_reloading(void);

/* service_notify_stopping - STOPPING=1 */
void service_notify_stopping(void);

/* service_notify_status - STATUS=..., one line for `systemctl status` */
void service_notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
