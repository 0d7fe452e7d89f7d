/*
 * service_notify - what the service manager is told (sd_notify(3))
 *
 * Nothing happens where no manager listens (NOTIFY_SOCKET is not set).
 */
#ifndef LEAFD_APP_SERVICE_NOTIFY_H
#define LEAFD_APP_SERVICE_NOTIFY_H

/* service_notify_ready - READY=1: every certificate is usable, or was tried */
void service_notify_ready(void);

/* service_notify_reloading - RELOADING=1, with the clock that Type=notify-reload wants */
void service_notify_reloading(void);

/* service_notify_stopping - STOPPING=1 */
void service_notify_stopping(void);

/* service_notify_status - STATUS=..., one line for `systemctl status` */
void service_notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
