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
 * service_notify_open - opens NOTIFY_SOCKET, starts the watchdog if WATCHDOG_USEC is set, and reads
 * the time zone
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

/* What `systemctl status` says about the agent. Texts are NULL and times 0 where there is nothing
 * to say; they are borrowed. */
struct service_status {
    size_t usable, total, failing; /* certificates */
    uint64_t next_due_s;           /* the next renewal, on the wall clock */
    const char *problem;           /* why the configuration on disk is not in use */
    const char *cert, *reason;     /* the first certificate that fails, and why */
    uint64_t next_try_s;           /* of that certificate */
};

enum { STATUS_TEXT_BYTES = 1024 };

/*
 * service_status_text - the status as one line, at `now_s`
 *
 * Times are absolute and local: the line is read long after it was sent. A time that has passed is
 * not named: what was planned for then is under way.
 */
void service_status_text(const struct service_status *status, uint64_t now_s,
                         char to[static STATUS_TEXT_BYTES]);

/* service_notify_status - STATUS=..., the line of service_status_text */
void service_notify_status(const struct service_status *status);

#endif
