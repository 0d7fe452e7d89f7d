#include "app/service_notify.h"

#include "base/hide.h"

#include <systemd/sd-daemon.h>

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void service_notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void service_notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
               (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

void service_notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void service_notify_status(const char *format, ...)
{
    char raw[1024], status[sizeof raw];
    va_list args;

    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    hide_line(status, sizeof status, raw);
    sd_notifyf(0, "STATUS=%s", status);
}
