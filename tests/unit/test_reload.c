/* A signal reaches the process that is meant, and no other. */
#include "unit.h"

#include "base/trust_process.h"
#include "reload/reload_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A process that waits for SIGHUP and exits with 7; `name` is what it calls itself. */
static pid_t start(const char *name)
{
    int ready[2];
    pid_t pid;
    char c;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        sigset_t hangup;
        int got;

        sigemptyset(&hangup);
        sigaddset(&hangup, SIGHUP);
        sigprocmask(SIG_BLOCK, &hangup, NULL);
        prctl(PR_SET_NAME, name);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!write(ready[1], "x", 1);
        sigwait(&hangup, &got);
        _exit(7);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/* What a process does about SIGHUP. */
enum manner { BY_DEFAULT, IGNORING, CATCHING };

static void exit_with_7(int signal)
{
    (void)signal;
    _exit(7);
}

/* A process that is not waiting for a signal. */
static pid_t start_busy(const char *name, enum manner manner)
{
    int ready[2];
    pid_t pid;
    char c;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        signal(SIGHUP, manner == IGNORING ? SIG_IGN : manner == CATCHING ? exit_with_7 : SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_NAME, name);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static bool signal_named(const char *name, int signal, struct err *err)
{
    return reload_signal_process(&(struct reload_process){.name = name, .user = geteuid()}, signal,
                                 err);
}

static int exit_of(pid_t pid)
{
    int status = 0;

    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_pidfile(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
}

static void the_process_of_a_pidfile_is_signalled(void **state)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", text[256];
    pid_t pid = start("unit-pidfile");
    struct err err;
    int fd = mkstemp(path);

    (void)state;
    /* As PostgreSQL writes it. */
    snprintf(text, sizeof text,
             "%d\n/var/lib/postgresql/15/main\n1795226728\n5432\n/var/run/postgresql\nlocalhost\n"
             "  1048641         2\nready   \n",
             (int)pid);
    write_pidfile(path, text);
    assert_true(reload_signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(exit_of(pid), 7);
    assert_false(reload_signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_non_null(strstr(err.text, "does not run"));
    close(fd);
    unlink(path);
    assert_false(reload_signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(err.errnum, ENOENT);
}

static void a_recycled_pid_is_not_signalled(void **state)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", text[32];
    struct timespec old[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};
    pid_t pid = start("unit-recycled");
    struct err err;
    int fd = mkstemp(path);

    (void)state;
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_pidfile(path, text);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_false(reload_signal_pidfile(path, SIGHUP, &err));
    assert_non_null(strstr(err.text, "left over"));
    assert_int_equal(kill(pid, 0), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fd);
    unlink(path);
}

static void a_process_that_the_signal_would_end_is_spared(void **state)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", text[64];
    struct err err = {.kind = ERR_NONE};
    int status;
    pid_t pid = start_busy("unit-deaf", BY_DEFAULT);

    (void)state;
    close(mkstemp(path));
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_pidfile(path, text);
    assert_false(reload_signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_int_equal(err.errnum, 0); /* somebody is there */
    snprintf(text, sizeof text, "process %d (unit-deaf) would be ended by SIGHUP", (int)pid);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.text, path));
    assert_false(signal_named("unit-deaf", SIGUSR1, &err));
    assert_non_null(strstr(err.text, "would be ended by SIGUSR1"));
    assert_int_equal(err.errnum, 0);
    assert_true(reload_signal_pidfile(path, SIGWINCH, &err));
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    assert_true(reload_signal_pidfile(path, SIGTERM, &err));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

    pid = start_busy("unit-ignores", IGNORING);
    assert_true(signal_named("unit-ignores", SIGHUP, &err));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pid = start_busy("unit-catches", CATCHING);
    assert_true(signal_named("unit-catches", SIGHUP, &err));
    assert_int_equal(exit_of(pid), 7);
    unlink(path);
}

static void a_pidfile_is_read_anew_each_time(void **state)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", text[32];
    struct err err;

    (void)state;
    close(mkstemp(path));
    unlink(path);
    assert_false(reload_signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_int_equal(err.errnum, ENOENT);
    for (int i = 0; i < 2; i++) {
        pid_t pid = start("unit-anew");

        snprintf(text, sizeof text, "%d\n", (int)pid);
        write_pidfile(path, text);
        assert_true(reload_signal_pidfile(path, SIGHUP, &err));
        assert_int_equal(exit_of(pid), 7);
    }
    unlink(path);
}

static void a_process_that_has_ended_is_not_taken_for_one_that_runs(void **state)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", text[32];
    pid_t pid = start("unit-zombie");
    siginfo_t how;
    struct err err;

    (void)state;
    close(mkstemp(path));
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_pidfile(path, text);
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &how, WEXITED | WNOWAIT), 0);
    assert_int_equal(kill(pid, 0), 0);
    assert_false(reload_signal_pidfile(path, SIGHUP, &err));
    assert_non_null(strstr(err.text, "does not run"));
    assert_false(signal_named("unit-zombie", SIGHUP, &err));
    assert_non_null(strstr(err.text, "no process is named unit-zombie"));
    waitpid(pid, NULL, 0);
    unlink(path);
}

static void what_is_no_pid_is_refused(void **state)
{
    static const char *const texts[] = {"",    "\n",  "abc\n",   "-1\n",
                                        "0\n", "1\n", "12 34\n", "99999999999\n"};
    char path[] = "/tmp/leafd-unit-XXXXXX";
    struct err err;
    int fd = mkstemp(path);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        write_pidfile(path, texts[i]);
        assert_false(reload_signal_pidfile(path, SIGHUP, &err));
        assert_non_null(strstr(err.text, "holds no pid"));
    }
    close(fd);
    unlink(path);
}

static void processes_are_found_by_name(void **state)
{
    pid_t one = start("unit-named"), two = start("unit-named"), other = start("unit-other");
    struct err err;

    (void)state;
    assert_true(signal_named("unit-named", SIGHUP, &err));
    assert_int_equal(exit_of(one), 7);
    assert_int_equal(exit_of(two), 7);
    assert_int_equal(kill(other, 0), 0);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    assert_false(signal_named("unit-named", SIGHUP, &err));
    assert_non_null(strstr(err.text, "no process is named unit-named"));
}

static void a_name_with_parentheses_is_no_trap(void **state)
{
    pid_t pid = start("a) R 1 (b");
    struct err err;

    (void)state;
    assert_true(signal_named("a) R 1 (b", SIGHUP, &err));
    assert_int_equal(exit_of(pid), 7);
}

static void become(uid_t user)
{
    if (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 ||
        setresuid(user, user, user) != 0)
        _exit(99);
}

/* A process of that user in a PID namespace of its own, or in ours; nobody may look into it. */
static pid_t start_undumpable(uid_t user, bool in_namespace)
{
    int ready[2], told[2];
    pid_t pid = -1;
    char c;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(told), 0);
    if (fork() == 0) {
        if (!in_namespace || unshare(CLONE_NEWPID) == 0)
            pid = fork();
        if (pid == 0) {
            become(user);
            prctl(PR_SET_DUMPABLE, 0);
            (void)!write(ready[1], "x", 1);
            for (;;)
                pause();
        }
        if (pid > 0)
            (void)!read(ready[0], &c, 1);
        (void)!write(told[1], &pid, sizeof pid);
        _exit(0);
    }
    assert_int_equal(read(told[0], &pid, sizeof pid), sizeof pid);
    wait(NULL);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(told[i]);
    }
    return pid;
}

/* What a process that is not root sees; it may not read where the links of the other lead. */
static int sees_as(uid_t user, pid_t pid)
{
    pid_t looker = fork();

    if (looker == 0) {
        struct trust_process process;

        become(user);
        if (!trust_process_read(pid, &process) || process.user != user ||
            trust_process_program(&process) != TRUST_PROGRAM_UNKNOWN)
            _exit(98);
        _exit(trust_process_is_in_our_namespace(pid));
    }
    return exit_of(looker);
}

static void a_namespace_that_cannot_be_read_is_told_by_the_depth(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    for (int in_namespace = 0; in_namespace < 2; in_namespace++) {
        pid_t pid = start_undumpable(4242, in_namespace != 0);

        assert_true(pid > 0);
        assert_int_equal(sees_as(4242, pid), !in_namespace);
        kill(pid, SIGKILL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_of_a_pidfile_is_signalled),
        cmocka_unit_test(a_recycled_pid_is_not_signalled),
        cmocka_unit_test(a_process_that_the_signal_would_end_is_spared),
        cmocka_unit_test(a_pidfile_is_read_anew_each_time),
        cmocka_unit_test(a_process_that_has_ended_is_not_taken_for_one_that_runs),
        cmocka_unit_test(what_is_no_pid_is_refused),
        cmocka_unit_test(processes_are_found_by_name),
        cmocka_unit_test(a_name_with_parentheses_is_no_trap),
        cmocka_unit_test(a_namespace_that_cannot_be_read_is_told_by_the_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
