/* A unit is reloaded through a real bus, with a stand-in for systemd's manager at its other end. */
#include "unit.h"

#include "base/slot.h"
#include "reload/reload_unit.h"

#include <systemd/sd-bus.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAEMON       "/usr/bin/dbus-daemon"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define UNITS_PATH   "/org/freedesktop/systemd1/unit"
#define UNIT         "org.freedesktop.systemd1.Unit"
#define JOB          "/org/freedesktop/systemd1/job/17"
#define OTHER_JOB    "/org/freedesktop/systemd1/job/16"

static const char bus_configuration[] =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
    " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
    "<busconfig><listen>unix:path=%s/bus</listen>\n"
    "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\n"
    "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>\n";

struct bench {
    char folder[32];
    pid_t bus, manager;
    sd_event *loop;
    struct slot *slot;
    unsigned times;
    struct err err;
};

/* -- the stand-in ---------------------------------------------------------------------------------
 */

static bool subscribed;
static pid_t bus_of_manager;
static char asked_of[64]; /* the unit of the last reload */

/* The unit's state when the reload is over, from the beginning of its name. */
static int on_active_state(sd_bus *bus, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *arg,
                           sd_bus_error *error)
{
    static const char *const states[] = {"inactive", "failed", "activating", "deactivating"};
    const char *state = "active";

    (void)bus;
    (void)path;
    (void)interface;
    (void)property;
    (void)arg;
    (void)error;
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (strncmp(asked_of, "is-", 3) == 0 &&
            strncmp(asked_of + 3, states[i], strlen(states[i])) == 0)
            state = states[i];
    return sd_bus_message_append(reply, "s", state);
}

/* Each unit has an object of its own, as with the real one. */
static int find_unit(sd_bus *bus, const char *path, const char *interface, void *arg,
                     void **ret_found, sd_bus_error *error)
{
    char *name = NULL;
    int r = sd_bus_path_decode(path, UNITS_PATH, &name);

    (void)bus;
    (void)interface;
    (void)arg;
    (void)error;
    r = r > 0 && strcmp(name, asked_of) == 0;
    *ret_found = NULL;
    free(name);
    return r;
}

static const sd_bus_vtable unit_table[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("ActiveState", "s", on_active_state, 0, 0),
    SD_BUS_VTABLE_END,
};

static int on_subscribe(sd_bus_message *call, void *arg, sd_bus_error *error)
{
    (void)arg;
    (void)error;
    subscribed = true;
    return sd_bus_reply_method_return(call, NULL);
}

static void tell(sd_bus *bus, const char *job, const char *unit, const char *result)
{
    if (subscribed)
        sd_bus_emit_signal(bus, MANAGER_PATH, MANAGER, "JobRemoved", "uoss", 17U, job, unit,
                           result);
}

/* A stranger on the same bus who claims that our job went well. */
static void lie(void)
{
    sd_bus *stranger = NULL;

    sd_bus_open_system(&stranger);
    tell(stranger, JOB, "forged.service", "done");
    sd_bus_flush_close_unref(stranger);
}

/* Kills the bus when it has passed on what went before: it answers in the order of the calls. */
static void kill_bus(sd_bus *bus)
{
    sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                       "GetId", NULL, NULL, NULL);
    kill(bus_of_manager, SIGKILL);
}

/* What happens stands in the unit's name. */
static int on_reload(sd_bus_message *call, void *arg, sd_bus_error *error)
{
    sd_bus *bus = sd_bus_message_get_bus(call);
    const char *unit, *mode;
    char result[32];

    (void)arg;
    sd_bus_message_read(call, "ss", &unit, &mode);
    snprintf(asked_of, sizeof asked_of, "%s", unit);
    if (strcmp(mode, "fail") != 0)
        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "mode");
    if (strcmp(unit, "denied.service") == 0)
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
    if (strcmp(unit, "interactive.service") == 0)
        return sd_bus_error_set(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                "Interactive authentication required.");
    if (strcmp(unit, "missing.service") == 0)
        return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit",
                                "Unit missing.service not found.");
    if (strcmp(unit, "stopping.service") == 0)
        return sd_bus_error_set(error, "org.freedesktop.systemd1.TransactionIsDestructive",
                                "Transaction for stopping.service/reload is destructive "
                                "(stopping.service has 'stop' job queued, but 'reload' is included "
                                "in transaction).");
    if (strcmp(unit, "silent.service") == 0)
        return 1;
    if (strcmp(unit, "early.service") == 0)
        tell(bus, JOB, unit, "done");
    if (strcmp(unit, "early-failed.service") == 0) {
        for (int i = 0; i < 40; i++)
            tell(bus, OTHER_JOB, "cron.service", "done");
        tell(bus, JOB, unit, "failed");
    }
    sd_bus_reply_method_return(call, "o", JOB);
    tell(bus, OTHER_JOB, "cron.service", strcmp(unit, "done.service") == 0 ? "failed" : "done");
    if (strcmp(unit, "forged.service") == 0)
        lie();
    snprintf(result, sizeof result, "%.*s", (int)strcspn(unit, "."), unit);
    if (strncmp(unit, "is-", 3) == 0)
        strcpy(result, "done");
    if (strcmp(unit, "orphaned.service") == 0)
        kill_bus(bus);
    else if (strncmp(unit, "early", 5) != 0 && strcmp(unit, "endless.service") != 0)
        tell(bus, JOB, unit, strcmp(unit, "forged.service") == 0 ? "failed" : result);
    return 1;
}

static const sd_bus_vtable manager_table[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ReloadOrTryRestartUnit", "ss", "o", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
    SD_BUS_VTABLE_END,
};

static void serve(int ready)
{
    sd_bus *bus = NULL;

    if (sd_bus_open_system(&bus) < 0 ||
        sd_bus_add_object_vtable(bus, NULL, MANAGER_PATH, MANAGER, manager_table, NULL) < 0 ||
        sd_bus_add_fallback_vtable(bus, NULL, UNITS_PATH, UNIT, unit_table, find_unit, NULL) < 0 ||
        sd_bus_request_name(bus, "org.freedesktop.systemd1", 0) < 0 || write(ready, "x", 1) != 1)
        _exit(1);
    while (sd_bus_process(bus, NULL) >= 0)
        sd_bus_wait(bus, UINT64_MAX);
    _exit(0);
}

/* -- the bench ------------------------------------------------------------------------------------
 */

/* Waits for the first byte: the bus prints its address when it listens. */
static void wait_ready(int ready[2])
{
    char c;

    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
}

static void start_bus(struct bench *bench)
{
    char path[64], option[80], number[16];
    int ready[2];
    FILE *file;

    snprintf(path, sizeof path, "%s/bus.conf", bench->folder);
    snprintf(option, sizeof option, "--config-file=%s", path);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, bus_configuration, bench->folder);
    fclose(file);
    assert_int_equal(pipe(ready), 0);
    snprintf(number, sizeof number, "%d", ready[1]);
    bench->bus = fork();
    if (bench->bus == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* It complains of limits that only root may raise. */
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        execl(DAEMON, DAEMON, option, "--nofork", "--nopidfile", "--nosyslog", "--print-address",
              number, (char *)NULL);
        _exit(127);
    }
    wait_ready(ready);
}

static void start_manager(struct bench *bench)
{
    int ready[2];

    assert_int_equal(pipe(ready), 0);
    bench->manager = fork();
    if (bench->manager == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bus_of_manager = bench->bus;
        serve(ready[1]);
    }
    wait_ready(ready);
}

static void end(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    char address[64];

    strcpy(bench->folder, "/tmp/leafd-unit-XXXXXX");
    *state = bench;
    if (mkdtemp(bench->folder) == NULL || sd_event_new(&bench->loop) < 0)
        return -1;
    snprintf(address, sizeof address, "unix:path=%s/bus", bench->folder);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    if (access(DAEMON, X_OK) == 0)
        start_bus(bench);
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    char path[64];

    slot_drop(bench->slot);
    end(&bench->manager);
    end(&bench->bus);
    sd_event_unref(bench->loop);
    snprintf(path, sizeof path, "%s/bus", bench->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/bus.conf", bench->folder);
    unlink(path);
    rmdir(bench->folder);
    free(bench);
    return 0;
}

static void hear(void *arg, const struct err *err)
{
    struct bench *bench = arg;

    bench->times++;
    bench->err = *err;
}

static void need_bus(const struct bench *bench)
{
    if (bench->bus == 0) {
        print_message("%s is not installed\n", DAEMON);
        skip();
    }
}

static void start(struct bench *bench, const char *unit, uint64_t limit_s)
{
    struct err err;

    bench->slot = reload_unit_start(bench->loop, unit, limit_s, hear, bench, &err);
    if (bench->slot == NULL)
        fail_msg("%s", err.text);
}

/* Reloads the unit at the stand-in and waits for the end. */
static void reload(struct bench *bench, const char *unit, uint64_t limit_s)
{
    need_bus(bench);
    start_manager(bench);
    start(bench, unit, limit_s);
    while (bench->times == 0 && sd_event_run(bench->loop, UINT64_MAX) >= 0)
        ;
}

static void expect_failure(const struct bench *bench, const char *text)
{
    assert_int_equal(bench->err.kind, ERR_CONSUMER);
    if (strstr(bench->err.text, text) == NULL)
        fail_msg("wanted: %s\ngot: %s", text, bench->err.text);
}

/* -- the tests ------------------------------------------------------------------------------------
 */

static void a_job_that_is_done_ends_well_whatever_other_jobs_do(void **state)
{
    struct bench *bench = *state;

    reload(bench, "done.service", 60);
    if (bench->err.kind != ERR_NONE)
        fail_msg("%s", bench->err.text);
    sd_event_run(bench->loop, 1000);
    assert_int_equal(bench->times, 1);
}

static void any_other_result_is_told_with_the_unit(void **state)
{
    static const char *const results[] = {"failed",     "timeout", "canceled",
                                          "dependency", "skipped", "unheard-of"};
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT_OF(results); i++) {
        char unit[32], text[128];

        snprintf(unit, sizeof unit, "%s.service", results[i]);
        snprintf(text, sizeof text, "unit %s: the job ended with result %s; systemctl status %s",
                 unit, results[i], unit);
        reload(bench, unit, 60);
        expect_failure(bench, text);
        bench->slot = slot_drop(bench->slot);
        bench->times = 0;
        end(&bench->manager);
    }
}

static void an_end_that_comes_before_the_answer_counts(void **state)
{
    struct bench *bench = *state;

    reload(bench, "early.service", 60);
    if (bench->err.kind != ERR_NONE)
        fail_msg("%s", bench->err.text);
}

static void an_early_failure_is_not_lost_among_others(void **state)
{
    struct bench *bench = *state;

    reload(bench, "early-failed.service", 60);
    expect_failure(bench, "the job ended with result failed");
}

static void a_stranger_cannot_say_that_it_is_done(void **state)
{
    struct bench *bench = *state;

    reload(bench, "forged.service", 60);
    expect_failure(bench, "the job ended with result failed");
}

static void a_denial_tells_of_polkit(void **state)
{
    struct bench *bench = *state;

    reload(bench, "denied.service", 60);
    expect_failure(bench, "Access denied; allow manage-units with verb reload-or-try-restart");
    bench->slot = slot_drop(bench->slot);
    bench->times = 0;
    end(&bench->manager);
    reload(bench, "interactive.service", 60);
    expect_failure(bench, "or run leafd as root");
}

static void expect_nobody(struct bench *bench, const char *unit, const char *text)
{
    reload(bench, unit, 60);
    expect_failure(bench, text);
    assert_true(bench->err.nobody);
    bench->slot = slot_drop(bench->slot);
    bench->times = 0;
    end(&bench->manager);
}

/* systemd makes an empty job for them, which is done at once. */
static void a_unit_that_does_not_run_is_nobody_there(void **state)
{
    struct bench *bench = *state;

    expect_nobody(bench, "is-inactive.service", "unit is-inactive.service: it is inactive");
    expect_nobody(bench, "is-failed.service", "it is failed");
    expect_nobody(bench, "is-activating@1.service", "it is activating");
    expect_nobody(bench, "is-deactivating.service", "it is deactivating");
}

static void a_stop_that_waits_is_left_alone(void **state)
{
    expect_nobody(*state, "stopping.service", "has 'stop' job queued");
}

static void a_unit_that_is_not_there_is_told(void **state)
{
    struct bench *bench = *state;

    reload(bench, "missing.service", 60);
    expect_failure(bench, "Unit missing.service not found.; systemctl list-units");
}

static void a_manager_that_never_answers_meets_the_time_limit(void **state)
{
    struct bench *bench = *state;

    reload(bench, "silent.service", 1);
    expect_failure(bench, "systemd did not answer within 1s");
}

static void a_job_that_never_ends_meets_the_time_limit(void **state)
{
    struct bench *bench = *state;
    char text[64];

    /* On a busy machine the bus may take longer than that. */
    for (unsigned limit_s = 1; limit_s <= 32 && strstr(bench->err.text, "the job") == NULL;
         limit_s *= 2) {
        bench->slot = slot_drop(bench->slot);
        bench->times = 0;
        end(&bench->manager);
        reload(bench, "endless.service", limit_s);
        snprintf(text, sizeof text, "the job did not end within %us", limit_s);
    }
    expect_failure(bench, text);
}

static void a_bus_without_systemd_is_told(void **state)
{
    struct bench *bench = *state;

    need_bus(bench);
    start(bench, "nginx.service", 60);
    while (bench->times == 0)
        sd_event_run(bench->loop, UINT64_MAX);
    expect_failure(bench, "systemd is not on this bus");
}

static void a_bus_that_goes_away_ends_the_wait(void **state)
{
    struct bench *bench = *state;

    reload(bench, "orphaned.service", 60);
    expect_failure(bench, "the bus closed the connection");
}

static void without_a_bus_it_does_not_start(void **state)
{
    struct bench *bench = *state;
    struct err err;

    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/no/such/bus", 1);
    assert_null(reload_unit_start(bench->loop, "nginx.service", 1, hear, bench, &err));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_non_null(strstr(err.text, "unit nginx.service: cannot reach the system bus"));
}

static void a_bus_that_says_nothing_stalls_nobody(void **state)
{
    struct bench *bench = *state;
    struct sockaddr_un mute = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    char address[96], path[64];

    snprintf(path, sizeof path, "%s/mute", bench->folder);
    snprintf(address, sizeof address, "unix:path=%s", path);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    strcpy(mute.sun_path, path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&mute, sizeof mute), 0);
    assert_int_equal(listen(listener, 1), 0);
    start(bench, "nginx.service", 1);
    while (bench->times == 0)
        sd_event_run(bench->loop, UINT64_MAX);
    expect_failure(bench, "systemd did not answer within 1s");
    close(listener);
    unlink(path);
}

static void a_dropped_reload_is_unheard(void **state)
{
    struct bench *bench = *state;

    need_bus(bench);
    start_manager(bench);
    start(bench, "done.service", 60);
    bench->slot = slot_drop(bench->slot);
    while (sd_event_run(bench->loop, 10000) > 0)
        ;
    assert_int_equal(bench->times, 0);
}

int main(void)
{
#define UNIT_TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_job_that_is_done_ends_well_whatever_other_jobs_do),
        UNIT_TEST(any_other_result_is_told_with_the_unit),
        UNIT_TEST(an_end_that_comes_before_the_answer_counts),
        UNIT_TEST(an_early_failure_is_not_lost_among_others),
        UNIT_TEST(a_stranger_cannot_say_that_it_is_done),
        UNIT_TEST(a_denial_tells_of_polkit),
        UNIT_TEST(a_unit_that_does_not_run_is_nobody_there),
        UNIT_TEST(a_stop_that_waits_is_left_alone),
        UNIT_TEST(a_unit_that_is_not_there_is_told),
        UNIT_TEST(a_manager_that_never_answers_meets_the_time_limit),
        UNIT_TEST(a_job_that_never_ends_meets_the_time_limit),
        UNIT_TEST(a_bus_without_systemd_is_told),
        UNIT_TEST(a_bus_that_goes_away_ends_the_wait),
        UNIT_TEST(without_a_bus_it_does_not_start),
        UNIT_TEST(a_bus_that_says_nothing_stalls_nobody),
        UNIT_TEST(a_dropped_reload_is_unheard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
