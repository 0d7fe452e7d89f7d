/*
 * manager - stands in for systemd on a system bus: reloads nginx.service when it is asked to
 *
 * Usage: manager COMMAND. Owns org.freedesktop.systemd1 on the bus of $DBUS_SYSTEM_BUS_ADDRESS,
 * prints a line when it does, and carries out ReloadOrTryRestartUnit("nginx.service", ...) by the
 * shell's COMMAND. Another unit is not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define PATH    "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define JOB     PATH "/job/1"

static int on_subscribe(sd_bus_message *call, void *command, sd_bus_error *error)
{
    (void)command;
    (void)error;
    return sd_bus_reply_method_return(call, NULL);
}

static int on_reload(sd_bus_message *call, void *command, sd_bus_error *error)
{
    const char *unit, *mode;

    if (sd_bus_message_read(call, "ss", &unit, &mode) < 0 || strcmp(unit, "nginx.service") != 0)
        return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "No such unit.");
    sd_bus_reply_method_return(call, "o", JOB);
    return sd_bus_emit_signal(sd_bus_message_get_bus(call), PATH, MANAGER, "JobRemoved", "uoss", 1U,
                              JOB, unit, system(command) == 0 ? "done" : "failed");
}

static int on_active_state(sd_bus *bus, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *command,
                           sd_bus_error *error)
{
    (void)bus;
    (void)path;
    (void)interface;
    (void)property;
    (void)command;
    (void)error;
    return sd_bus_message_append(reply, "s", "active");
}

static const sd_bus_vtable manager[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ReloadOrTryRestartUnit", "ss", "o", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable nginx[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("ActiveState", "s", on_active_state, 0, 0),
    SD_BUS_VTABLE_END,
};

int main(int argc, char **argv)
{
    sd_bus *bus;

    if (argc != 2 || sd_bus_open_system(&bus) < 0 ||
        sd_bus_add_object_vtable(bus, NULL, PATH, MANAGER, manager, argv[1]) < 0 ||
        sd_bus_add_object_vtable(bus, NULL, PATH "/unit/nginx_2eservice",
                                 "org.freedesktop.systemd1.Unit", nginx, NULL) < 0 ||
        sd_bus_request_name(bus, "org.freedesktop.systemd1", 0) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    while (sd_bus_process(bus, NULL) >= 0)
        sd_bus_wait(bus, UINT64_MAX);
    return 0;
}
