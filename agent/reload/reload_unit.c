#include "reload/reload_unit.h"

#include "base/cleanup.h"
#include "base/hide.h"

#include <systemd/sd-bus.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_BUS   "unix:path=/run/dbus/system_bus_socket"
#define SYSTEMD      "org.freedesktop.systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define UNITS_PATH   "/org/freedesktop/systemd1/unit"
#define PROPERTIES   "org.freedesktop.DBus.Properties"

enum { JOB_BYTES = 64, RESULT_BYTES = 32, SENDER_BYTES = 64, EARLY_MOST = 16, TOLD_BYTES = 200 };

/* A job that has ended. */
struct ended {
    char job[JOB_BYTES], result[RESULT_BYTES], sender[SENDER_BYTES];
};

struct unit_reload {
    struct slot slot;
    sd_bus *bus;
    sd_event_source *limit;
    const char *unit;
    uint64_t limit_s;
    bool over;
    char job[JOB_BYTES];        /* our job's path; "" before systemd has named it */
    char manager[SENDER_BYTES]; /* the unique bus name that named it: signals of other senders are
                                   ignored */
    /* Jobs that ended before the reply to the call arrived; the oldest is overwritten, since ours
     * cannot end before the call was handled. */
    struct ended early[EARLY_MOST];
    size_t early_count;
};

static void destroy_unit_reload(struct slot *slot)
{
    struct unit_reload *reload = (struct unit_reload *)slot;

    sd_event_source_disable_unref(reload->limit);
    /* Drops unsent messages: flushing would block. */
    sd_bus_close_unref(reload->bus);
    slot_free(slot);
}

static void finish(struct unit_reload *reload, const struct err *err)
{
    reload->over = true;
    slot_finish(&reload->slot, err);
}

/* -- what to tell ---------------------------------------------------------------------------------
 */

static void finish_with_number(struct unit_reload *reload, int r)
{
    struct err err;

    err_errno(&err, ERR_CONSUMER, -r, "reload: unit %s: cannot understand systemd's answer",
              reload->unit);
    finish(reload, &err);
}

static int ask_state(struct unit_reload *reload);

static void finish_with_result(struct unit_reload *reload, const char *result)
{
    const char *unit = reload->unit;
    char told[RESULT_BYTES];
    struct err err;

    if (strcmp(result, "done") == 0) {
        int r = ask_state(reload);

        if (r < 0)
            finish_with_number(reload, r);
        return;
    }
    hide_foreign(told, sizeof told, result);
    err_set(&err, ERR_CONSUMER,
            "reload: unit %s: the job ended with result %s; systemctl status %s shows why", unit,
            told, unit);
    finish(reload, &err);
}

/* The remedy for an error of the bus or of systemd; NULL if none is known. */
static const char *remedy(const char *name)
{
    static const struct {
        const char *name, *remedy;
    } remedies[] = {
        {SD_BUS_ERROR_ACCESS_DENIED,
         "allow manage-units with verb reload-or-try-restart to leafd's user in a polkit rule "
         "(leafd.ini(5)), or run leafd as root"},
        {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
         "allow manage-units with verb reload-or-try-restart to leafd's user in a polkit rule "
         "(leafd.ini(5)), or run leafd as root"},
        {SYSTEMD ".NoSuchUnit", "systemctl list-units shows the names"},
        {SYSTEMD ".UnitMasked", "systemctl unmask it"},
        {SYSTEMD ".LoadFailed", "systemctl status shows why"},
        {SYSTEMD ".TransactionIsDestructive", "leafd reloads it when that job has ended"},
        {SYSTEMD ".JobTypeNotApplicable", "it can neither be reloaded nor restarted"},
        {SD_BUS_ERROR_SERVICE_UNKNOWN, "systemd is not on this bus"},
        {SD_BUS_ERROR_NAME_HAS_NO_OWNER, "systemd is not on this bus"},
    };

    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (strcmp(remedies[i].name, name) == 0)
            return remedies[i].remedy;
    return NULL;
}

static void finish_with_error(struct unit_reload *reload, const sd_bus_error *error)
{
    const char *hint = remedy(error->name), *message = error->message;
    char told[TOLD_BYTES];
    struct err err;

    hide_foreign(told, sizeof told, message == NULL ? error->name : message);
    err_set(&err, ERR_CONSUMER, "reload: unit %s: %s%s%s", reload->unit, told,
            hint == NULL ? "" : "; ", hint == NULL ? "" : hint);
    /* Another job stops the unit on purpose: that is no refusal. */
    if (sd_bus_error_has_name(error, SYSTEMD ".TransactionIsDestructive"))
        err.nobody = true;
    finish(reload, &err);
}

/* For a unit that is not active, systemd's job does nothing and its result is done. */
static void finish_with_state(struct unit_reload *reload, const char *state)
{
    char told[RESULT_BYTES];
    struct err err;

    if (strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0 ||
        strcmp(state, "refreshing") == 0) {
        finish(reload, NULL);
        return;
    }
    hide_foreign(told, sizeof told, state);
    err_set(&err, ERR_CONSUMER, "reload: unit %s: it is %s, so there is no consumer to reload",
            reload->unit, told);
    err.nobody = true;
    finish(reload, &err);
}

/* -- what comes from the bus ----------------------------------------------------------------------
 */

static bool is_ours(const struct unit_reload *reload, const struct ended *ended)
{
    return strcmp(ended->job, reload->job) == 0 && strcmp(ended->sender, reload->manager) == 0;
}

/* Copies a text if it fits; a longer one cannot be ours. */
static bool keep(char *to, size_t size, const char *text)
{
    return text != NULL && strlen(text) < size && snprintf(to, size, "%s", text) >= 0;
}

static int on_job_removed(sd_bus_message *message, void *arg, sd_bus_error *ret_error)
{
    struct unit_reload *reload = arg;
    struct ended ended = {0};
    const char *job, *unit, *result;
    uint32_t id;

    (void)ret_error;
    if (reload->over || sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) < 0 ||
        !keep(ended.job, sizeof ended.job, job) ||
        !keep(ended.result, sizeof ended.result, result) ||
        !keep(ended.sender, sizeof ended.sender, sd_bus_message_get_sender(message)))
        return 0;
    if (reload->job[0] == '\0')
        reload->early[reload->early_count++ % EARLY_MOST] = ended;
    else if (is_ours(reload, &ended))
        finish_with_result(reload, ended.result);
    return 0;
}

/* False if the reply is an error, which ends the reload. */
static bool is_answer(struct unit_reload *reload, sd_bus_message *reply)
{
    if (!reload->over && sd_bus_message_is_method_error(reply, NULL))
        finish_with_error(reload, sd_bus_message_get_error(reply));
    return !reload->over;
}

/* The answers to AddMatch and Subscribe. */
static int on_subscribed(sd_bus_message *reply, void *arg, sd_bus_error *ret_error)
{
    (void)ret_error;
    is_answer(arg, reply);
    return 0;
}

static int on_job_made(sd_bus_message *reply, void *arg, sd_bus_error *ret_error)
{
    struct unit_reload *reload = arg;
    const char *job = NULL;
    int r;

    (void)ret_error;
    if (!is_answer(reload, reply))
        return 0;
    r = sd_bus_message_read(reply, "o", &job);
    if (r >= 0 &&
        (!keep(reload->job, sizeof reload->job, job) ||
         !keep(reload->manager, sizeof reload->manager, sd_bus_message_get_sender(reply))))
        r = -EBADMSG;
    if (r < 0)
        finish_with_number(reload, r);
    for (size_t i = 0; i < EARLY_MOST && !reload->over; i++)
        if (is_ours(reload, &reload->early[i]))
            finish_with_result(reload, reload->early[i].result);
    return 0;
}

static int on_state(sd_bus_message *reply, void *arg, sd_bus_error *ret_error)
{
    struct unit_reload *reload = arg;
    const char *state = NULL;
    int r;

    (void)ret_error;
    if (!is_answer(reload, reply))
        return 0;
    r = sd_bus_message_read(reply, "v", "s", &state);
    if (r < 0)
        finish_with_number(reload, r);
    else
        finish_with_state(reload, state);
    return 0;
}

static int ask_state(struct unit_reload *reload)
{
    CLEANUP(free_memory) char *path = NULL;
    int r = sd_bus_path_encode(UNITS_PATH, reload->unit, &path);

    if (r < 0)
        return r;
    return sd_bus_call_method_async(reload->bus, NULL, SYSTEMD, path, PROPERTIES, "Get", on_state,
                                    reload, "ss", SYSTEMD ".Unit", "ActiveState");
}

static int on_disconnected(sd_bus_message *message, void *arg, sd_bus_error *ret_error)
{
    struct unit_reload *reload = arg;
    struct err err;

    (void)message;
    (void)ret_error;
    if (reload->over)
        return 0;
    err_set(&err, ERR_CONSUMER,
            "reload: unit %s: the bus closed the connection before the job ended", reload->unit);
    finish(reload, &err);
    return 0;
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct unit_reload *reload = arg;
    struct err err;

    (void)source;
    (void)now_us;
    if (reload->over)
        return 0;
    err_set(&err, ERR_CONSUMER, "reload: unit %s: %s within %llus; systemctl status %s shows more",
            reload->unit, reload->job[0] == '\0' ? "systemd did not answer" : "the job did not end",
            (unsigned long long)reload->limit_s, reload->unit);
    finish(reload, &err);
    return 0;
}

/* -- the start ------------------------------------------------------------------------------------
 */

/* As sd_bus_open_system(3), but with a connection of its own: that function shares one per thread.
 */
static int open_bus(struct unit_reload *reload, sd_event *loop)
{
    const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    int r = sd_bus_new(&reload->bus);

    if (r >= 0)
        r = sd_bus_set_address(reload->bus, address == NULL ? SYSTEM_BUS : address);
    if (r >= 0)
        r = sd_bus_set_bus_client(reload->bus, true);
    /* The time limit is ours. */
    if (r >= 0)
        r = sd_bus_set_method_call_timeout(reload->bus, UINT64_MAX);
    if (r >= 0)
        r = sd_bus_start(reload->bus);
    if (r >= 0)
        r = sd_bus_attach_event(reload->bus, loop, SD_EVENT_PRIORITY_NORMAL);
    return r;
}

/*
 * Sends all calls at once: the bus and systemd handle a connection's messages in order. Mode
 * "fail": with "replace" a reload would cancel a stop job in systemd's queue.
 */
static int send_calls(struct unit_reload *reload)
{
    sd_bus *bus = reload->bus;
    int r =
        sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local", NULL,
                            "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, reload);

    if (r >= 0)
        r = sd_bus_match_signal_async(bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER, "JobRemoved",
                                      on_job_removed, on_subscribed, reload);
    if (r >= 0)
        r = sd_bus_call_method_async(bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe",
                                     on_subscribed, reload, NULL);
    if (r >= 0)
        r = sd_bus_call_method_async(bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER,
                                     "ReloadOrTryRestartUnit", on_job_made, reload, "ss",
                                     reload->unit, "fail");
    return r;
}

struct slot *reload_unit_start(sd_event *loop, const char *unit, uint64_t limit_s,
                               slot_done *on_done, void *arg, struct err *err)
{
    struct unit_reload *reload =
        slot_new(sizeof *reload, loop, destroy_unit_reload, on_done, arg, err);
    int r;

    if (reload == NULL)
        return NULL;
    reload->unit = unit;
    reload->limit_s = limit_s;
    r = open_bus(reload, loop);
    if (r >= 0)
        r = send_calls(reload);
    if (r >= 0)
        r = sd_event_add_time_relative(loop, &reload->limit, CLOCK_BOOTTIME, limit_s * 1000000, 0,
                                       on_limit, reload);
    if (r >= 0)
        return &reload->slot;
    err_errno(err, r == -ENOMEM ? ERR_LOCAL : ERR_CONSUMER, -r,
              "reload: unit %s: cannot reach the system bus", unit);
    err_append(err, "; where systemd does not run, reload the consumer by a signal, as the "
                    "template nginx-pod does");
    destroy_unit_reload(&reload->slot);
    return NULL;
}
