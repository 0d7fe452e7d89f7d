/*
 * service_notify - status messages to the service manager (sd_notify(3))
 *
 * Does nothing if no manager listens (NOTIFY_SOCKET is not set). A manager that does not read its
 * socket does not block the loop: unsent messages are kept, only the latest status among them, and
 * sent again every second. sd_notify() and the watchdog of sd-event would block the event loop in
 * that case, so neither is used.
 */
#ifndef LEAFD_APP_SERVICE_NOTIFY_H
#define LEAFD_APP_SERVICE_NOTIFY_H

#include "base/err.h"

#include <systemd/sd-event.h>

/*
 * service_notify_open - opens NOTIFY_SOCKET, and starts the watchdog if WATCHDOG_USEC is set
 *
 * Before it and after service_notify_close nothing is sent. Borrows `loop`. Fails with class local.
 */
bool service_notify_open(sd_event *loop, struct err *err);

/* service_notify_close - drops unsent messages; call it after the last iteration of the loop */
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
