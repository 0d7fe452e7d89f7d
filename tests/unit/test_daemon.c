/* What the daemon shows to its service manager, and its control socket when agents meet. */
#include "unit.h"

#include "app/control_socket.h"
#include "app/service_notify.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* -- STATUS= --------------------------------------------------------------------------------------
 */

enum { NOW_S = 1795384800 }; /* 2026-11-22 22:00:00 UTC */

static const struct status_case {
    struct service_status status;
    const char *text;
} status_cases[] = {
    {{.usable = 2, .total = 2, .next_due_s = NOW_S + 90},
     "2 of 2 certificates usable; next renewal 2026-11-22 23:01:30 CET"},
    {{.total = 0}, "0 of 0 certificates usable"},
    /* What is under way is not announced. */
    {{.usable = 1, .total = 1, .next_due_s = NOW_S}, "1 of 1 certificates usable"},
    {{.usable = 1,
      .total = 2,
      .failing = 1,
      .next_due_s = NOW_S + 3600,
      .cert = "web",
      .reason = "the CA is sealed",
      .next_try_s = NOW_S + 7200},
     "1 of 2 certificates usable, 1 failing; next renewal 2026-11-23 00:00:00 CET; web, next try "
     "2026-11-23 01:00:00 CET: the CA is sealed"},
    {{.total = 1, .failing = 1, .cert = "web", .reason = "the CA is sealed", .next_try_s = NOW_S},
     "0 of 1 certificates usable, 1 failing; web, being tried again now: the CA is sealed"},
    /* A failed reload is not hidden behind certificates that are all well. */
    {{.usable = 1, .total = 1, .problem = "/etc/leafd/leafd.ini:3: unknown key"},
     "1 of 1 certificates usable; the configuration on disk is not in use: "
     "/etc/leafd/leafd.ini:3: unknown key"},
};

static void the_status_says_what_fails_and_when_in_local_time(void **state)
{
    char text[STATUS_TEXT_BYTES];

    (void)state;
    setenv("TZ", "CET-1", 1);
    tzset();
    for (size_t i = 0; i < COUNT_OF(status_cases); i++) {
        service_status_text(&status_cases[i].status, NOW_S, text);
        assert_string_equal(text, status_cases[i].text);
    }
    unsetenv("TZ");
    tzset();
}

static void a_long_reason_is_cut(void **state)
{
    char text[STATUS_TEXT_BYTES], reason[2 * STATUS_TEXT_BYTES];
    const struct service_status status = {.failing = 1, .cert = "web", .reason = reason};

    (void)state;
    memset(reason, 'x', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    service_status_text(&status, NOW_S, text);
    assert_int_equal(strlen(text), sizeof text - 1);
    assert_non_null(strstr(text, "; web, being tried again now: xxx"));
}

/* -- the control socket ---------------------------------------------------------------------------
 */

enum { AGENTS = 8, ROUNDS = 40 };

static struct meeting {
    char folder[sizeof "/tmp/leafd-meet-XXXXXX"];
    pthread_barrier_t begin, made, removed;
    atomic_uint winners;
} meeting = {.folder = "/tmp/leafd-meet-XXXXXX"};

/* What a killed agent leaves behind, which all others want to remove. */
static void leave_socket(const struct control_making *making)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char name[CONTROL_NAME_BYTES];
    struct err err;

    assert_true(control_socket_name(making->file, name, &err));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", meeting.folder, name);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
}

/* An agent that starts and stops with all others, with the same configuration. */
static void *run_agent(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct control_making *making = calloc(1, sizeof *making);
        struct control_removal removal = {0};
        struct err err;
        bool won;

        making->file = strdup("/etc/leafd/meet.ini");
        making->fd = making->owner_fd = -1;
        making->has_folder = true;
        memcpy(making->folder, meeting.folder, sizeof meeting.folder);
        if (arg != NULL)
            leave_socket(making);
        pthread_barrier_wait(&meeting.begin);
        won = control_socket_make(making, &err);
        if (won)
            meeting.winners++;
        pthread_barrier_wait(&meeting.made);
        memcpy(removal.folder, making->folder, sizeof removal.folder);
        memcpy(removal.name, making->name, sizeof removal.name);
        removal.made = making->made;
        control_making_free(making);
        if (won)
            control_socket_remove(&removal, &err);
        pthread_barrier_wait(&meeting.removed);
    }
    return NULL;
}

static size_t count_files(const char *folder)
{
    CLEANUP(close_directory) DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    return count;
}

static void of_agents_that_start_at_once_one_has_the_socket_and_no_file_stays(void **state)
{
    pthread_t agents[AGENTS];

    (void)state;
    assert_non_null(mkdtemp(meeting.folder));
    assert_int_equal(chmod(meeting.folder, 0755), 0);
    assert_int_equal(pthread_barrier_init(&meeting.begin, NULL, AGENTS), 0);
    assert_int_equal(pthread_barrier_init(&meeting.made, NULL, AGENTS), 0);
    assert_int_equal(pthread_barrier_init(&meeting.removed, NULL, AGENTS), 0);
    for (size_t i = 0; i < AGENTS; i++)
        assert_int_equal(pthread_create(&agents[i], NULL, run_agent, i == 0 ? &meeting : NULL), 0);
    for (size_t i = 0; i < AGENTS; i++)
        assert_int_equal(pthread_join(agents[i], NULL), 0);
    assert_int_equal(meeting.winners, ROUNDS);
    assert_int_equal(count_files(meeting.folder), 0);
    assert_int_equal(rmdir(meeting.folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_says_what_fails_and_when_in_local_time),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(of_agents_that_start_at_once_one_has_the_socket_and_no_file_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
