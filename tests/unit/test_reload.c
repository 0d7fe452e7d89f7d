/* A signal reaches the process that is meant, and no other. */
#include "unit.h"

#include "base/clock.h"
#include "base/trust_process.h"
#include "reload/reload.h"
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

/* What a process does about SIGHUP; it waits for it, or is at something else. */
enum manner { WAITING, BY_DEFAULT, IGNORING, CATCHING };

static void exit_with_7(int signal)
{
    (void)signal;
    _exit(7);
}

static void take_hangup(const sigset_t *hangup, enum manner manner)
{
    int got;

    if (manner == WAITING) {
        sigwait(hangup, &got);
        _exit(7);
    }
    for (;;)
        pause();
}

/* `name` is what it calls itself. */
static pid_t start_as(const char *name, enum manner manner)
{
    int ready[2];
    pid_t pid;
    char c;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        sigset_t hangup;

        sigemptyset(&hangup);
        sigaddset(&hangup, SIGHUP);
        if (manner == WAITING)
            sigprocmask(SIG_BLOCK, &hangup, NULL);
        else
            signal(SIGHUP, manner == IGNORING   ? SIG_IGN
                           : manner == CATCHING ? exit_with_7
                                                : SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_NAME, name);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!write(ready[1], "x", 1);
        take_hangup(&hangup, manner);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static bool signal_named(const char *name, int signal, struct err *err)
{
    const struct signal_order order = {.signal = signal, .name = name, .user = geteuid()};

    return reload_signal_send(&order, UINT64_MAX, err);
}

static bool signal_pidfile(const char *path, int signal, struct err *err)
{
    const struct signal_order order = {.signal = signal, .pidfile = path};

    return reload_signal_send(&order, UINT64_MAX, err);
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
    pid_t pid = start_as("unit-pidfile", WAITING);
    struct err err;
    int fd = mkstemp(path);

    (void)state;
    /* As PostgreSQL writes it. */
    snprintf(text, sizeof text,
             "%d\n/var/lib/postgresql/15/main\n1795226728\n5432\n/var/run/postgresql\nlocalhost\n"
             "  1048641         2\nready   \n",
             (int)pid);
    write_pidfile(path, text);
    assert_true(signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(exit_of(pid), 7);
    assert_false(signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_non_null(strstr(err.text, "does not run"));
    close(fd);
    unlink(path);
    assert_false(signal_pidfile(path, SIGHUP, &err));
    assert_true(err.nobody);
}

static void a_recycled_pid_is_not_signalled(void **state)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", text[32];
    struct timespec old[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};
    pid_t pid = start_as("unit-recycled", WAITING);
    struct err err;
    int fd = mkstemp(path);

    (void)state;
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_pidfile(path, text);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_false(signal_pidfile(path, SIGHUP, &err));
    assert_non_null(strstr(err.text, "is stale"));
    assert_true(err.nobody);
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
    pid_t pid = start_as("unit-deaf", BY_DEFAULT);

    (void)state;
    close(mkstemp(path));
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_pidfile(path, text);
    assert_false(signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_false(err.nobody);
    snprintf(text, sizeof text, "process %d (unit-deaf) does not catch SIGHUP", (int)pid);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.text, path));
    assert_false(signal_named("unit-deaf", SIGUSR1, &err));
    assert_non_null(strstr(err.text, "does not catch SIGUSR1"));
    assert_false(err.nobody);
    assert_true(signal_pidfile(path, SIGWINCH, &err));
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    assert_true(signal_pidfile(path, SIGTERM, &err));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

    pid = start_as("unit-ignores", IGNORING);
    assert_true(signal_named("unit-ignores", SIGHUP, &err));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pid = start_as("unit-catches", CATCHING);
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
    assert_false(signal_pidfile(path, SIGHUP, &err));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_true(err.nobody);
    for (int i = 0; i < 2; i++) {
        pid_t pid = start_as("unit-anew", WAITING);

        snprintf(text, sizeof text, "%d\n", (int)pid);
        write_pidfile(path, text);
        assert_true(signal_pidfile(path, SIGHUP, &err));
        assert_int_equal(exit_of(pid), 7);
    }
    unlink(path);
}

static void a_process_that_has_ended_is_not_taken_for_one_that_runs(void **state)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", text[32];
    pid_t pid = start_as("unit-zombie", WAITING);
    siginfo_t how;
    struct err err;

    (void)state;
    close(mkstemp(path));
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_pidfile(path, text);
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &how, WEXITED | WNOWAIT), 0);
    assert_int_equal(kill(pid, 0), 0);
    assert_false(signal_pidfile(path, SIGHUP, &err));
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
        assert_false(signal_pidfile(path, SIGHUP, &err));
        assert_non_null(strstr(err.text, "holds no pid"));
        assert_true(err.nobody); /* a pidfile that is wrong says nothing of the certificate */
    }
    close(fd);
    unlink(path);
}

static void processes_are_found_by_name(void **state)
{
    pid_t one = start_as("unit-named", WAITING), two = start_as("unit-named", WAITING),
          other = start_as("unit-other", WAITING);
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
    pid_t pid = start_as("a) R 1 (b", WAITING);
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

/* Where a mount hung, whoever asked has given up. */
static void nobody_is_signalled_when_it_is_too_late(void **state)
{
    pid_t pid = start_as("unit-late", WAITING);
    const struct signal_order order = {.signal = SIGHUP, .name = "unit-late", .user = geteuid()};
    struct err err;

    (void)state;
    assert_false(reload_signal_send(&order, clock_boot_us(), &err));
    assert_non_null(strstr(err.text, "the time limit is over before"));
    assert_int_equal(err.kind, ERR_CONSUMER);
    assert_int_equal(kill(pid, 0), 0);
    assert_true(reload_signal_send(&order, clock_boot_us() + 60000000, &err));
    assert_int_equal(exit_of(pid), 7);
}

/* -- batches --------------------------------------------------------------------------------------
 */

enum { ASKERS_MOST = 100 };

/* A consumer that is reloaded, and those who ask for it. */
struct bench {
    sd_event *loop;
    struct reload_batches batches;
    struct slot *running[ASKERS_MOST]; /* the last is the latest */
    unsigned begun, freed;
    bool cannot_begin;
    uint64_t apart_us;
    struct asker {
        struct slot *slot;
        unsigned heard;
        enum err_kind kind;
    } askers[ASKERS_MOST];
};

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    *state = bench;
    return sd_event_new(&bench->loop) < 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < ASKERS_MOST; i++)
        slot_drop(bench->askers[i].slot);
    assert_null(bench->batches.lanes);
    assert_null(bench->batches.waiting);
    assert_int_equal(bench->batches.permits.taken, 0);
    sd_event_unref(bench->loop);
    free(bench);
    return 0;
}

static void hear(void *arg, const struct err *err)
{
    struct asker *asker = arg;

    asker->heard++;
    asker->kind = err->kind;
}

static struct slot *begin(void *job, slot_done *on_done, void *arg, struct err *err)
{
    struct bench *bench = job;

    bench->begun++;
    if (bench->cannot_begin) {
        err_set(err, ERR_CONSUMER, "as asked");
        return NULL;
    }
    return bench->running[bench->begun - 1] =
               slot_new(sizeof(struct slot), bench->loop, slot_free, on_done, arg, err);
}

static void free_job(void *job)
{
    ((struct bench *)job)->freed++;
}

static void ask(struct bench *bench, size_t who, const char *key, const char *lane)
{
    struct batch_order order = {
        .apart_us = bench->apart_us, .begin = begin, .job = bench, .free_job = free_job};
    struct err err;

    snprintf(order.key, sizeof order.key, "%s", key);
    snprintf(order.lane, sizeof order.lane, "%s", lane);
    bench->askers[who].slot =
        reload_batch_start(&bench->batches, bench->loop, &order, hear, &bench->askers[who], &err);
    assert_non_null(bench->askers[who].slot);
}

static void drop(struct bench *bench, size_t who)
{
    bench->askers[who].slot = slot_drop(bench->askers[who].slot);
}

static void run_loop(struct bench *bench)
{
    while (sd_event_run(bench->loop, 0) > 0)
        ;
}

static void end_running(struct bench *bench, unsigned which, enum err_kind kind)
{
    slot_finish(bench->running[which], &(struct err){.kind = kind});
    run_loop(bench);
}

static void who_asks_before_it_begins_shares_it_and_who_asks_later_does_not(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < 50; i++)
        ask(bench, i, "nginx", "nginx");
    assert_int_equal(bench->begun, 0);
    run_loop(bench);
    assert_int_equal(bench->begun, 1);
    for (size_t i = 50; i < 60; i++)
        ask(bench, i, "nginx", "nginx");
    run_loop(bench);
    assert_int_equal(bench->begun, 1);
    drop(bench, 0); /* the one whose job it was */
    end_running(bench, 0, ERR_CONSUMER);
    assert_int_equal(bench->begun, 2);
    for (size_t i = 1; i < 50; i++) {
        assert_int_equal(bench->askers[i].heard, 1);
        assert_int_equal(bench->askers[i].kind, ERR_CONSUMER);
    }
    assert_int_equal(bench->askers[0].heard, 0);
    end_running(bench, 1, ERR_NONE);
    for (size_t i = 50; i < 60; i++) {
        assert_int_equal(bench->askers[i].heard, 1);
        assert_int_equal(bench->askers[i].kind, ERR_NONE);
    }
    assert_int_equal(bench->begun, 2);
    assert_int_equal(bench->freed, 60);
}

static void what_nobody_waits_for_is_cancelled(void **state)
{
    struct bench *bench = *state;

    ask(bench, 0, "a", "socket");
    ask(bench, 1, "b", "socket");
    ask(bench, 2, "c", "socket");
    run_loop(bench);
    drop(bench, 1); /* in line */
    drop(bench, 0); /* under way */
    assert_int_equal(bench->freed, 2);
    assert_int_equal(bench->begun, 1); /* not while somebody drops all */
    run_loop(bench);
    assert_int_equal(bench->begun, 2);
    end_running(bench, 1, ERR_NONE);
    assert_int_equal(bench->askers[2].heard, 1);
}

static void one_lane_is_one_at_a_time_and_in_order(void **state)
{
    struct bench *bench = *state;

    ask(bench, 0, "a", "socket");
    ask(bench, 1, "b", "socket");
    ask(bench, 2, "c", "other");
    ask(bench, 3, "d", "socket");
    run_loop(bench);
    assert_int_equal(bench->begun, 2); /* a and c */
    end_running(bench, 0, ERR_NONE);
    assert_int_equal(bench->begun, 3);
    assert_int_equal(bench->askers[1].heard, 0);
    end_running(bench, 2, ERR_NONE);
    assert_int_equal(bench->askers[1].heard, 1);
    assert_int_equal(bench->begun, 4);
    end_running(bench, 3, ERR_NONE);
    assert_int_equal(bench->askers[3].heard, 1);
    end_running(bench, 1, ERR_NONE);
}

static void so_many_are_carried_out_at_once_and_no_more(void **state)
{
    struct bench *bench = *state;
    char key[16];

    for (size_t i = 0; i < ASKERS_MOST; i++) {
        snprintf(key, sizeof key, "%zu", i);
        ask(bench, i, key, key);
    }
    run_loop(bench);
    assert_int_equal(bench->begun, RELOADS_AT_ONCE);
    end_running(bench, 5, ERR_NONE);
    assert_int_equal(bench->begun, RELOADS_AT_ONCE + 1);
    for (unsigned i = 0; i < ASKERS_MOST; i++)
        if (i != 5)
            end_running(bench, i, ERR_NONE);
    for (size_t i = 0; i < ASKERS_MOST; i++)
        assert_int_equal(bench->askers[i].heard, 1);
}

static void what_cannot_begin_fails_for_all_who_asked(void **state)
{
    struct bench *bench = *state;

    bench->cannot_begin = true;
    ask(bench, 0, "a", "a");
    ask(bench, 1, "a", "a");
    run_loop(bench);
    assert_int_equal(bench->begun, 1);
    assert_int_equal(bench->askers[0].kind, ERR_CONSUMER);
    assert_int_equal(bench->askers[1].kind, ERR_CONSUMER);
    assert_int_equal(bench->freed, 2);
}

static void the_next_of_a_kind_lets_others_gather(void **state)
{
    struct bench *bench = *state;
    uint64_t begun_us;

    bench->apart_us = 100000;
    ask(bench, 0, "a", "a");
    run_loop(bench);
    begun_us = clock_boot_us();
    end_running(bench, 0, ERR_NONE);
    ask(bench, 1, "a", "a");
    ask(bench, 2, "b", "b");
    run_loop(bench);
    assert_int_equal(bench->begun, 2); /* b has nothing to wait for */
    ask(bench, 3, "a", "a");
    while (bench->begun < 3)
        assert_true(sd_event_run(bench->loop, UINT64_MAX) >= 0);
    assert_true(clock_boot_us() - begun_us >= 90000);
    end_running(bench, 2, ERR_NONE);
    assert_int_equal(bench->askers[1].heard, 1);
    assert_int_equal(bench->askers[3].heard, 1);
    end_running(bench, 1, ERR_NONE);
    ask(bench, 4, "a", "a");
    run_loop(bench);
    drop(bench, 4); /* while it waits for its time */
    assert_int_equal(bench->begun, 3);
}

/* -- identical ------------------------------------------------------------------------------------
 */

static void keys_of(const struct cert_config *cert, const char *const *variables,
                    struct batch_order *order)
{
    struct err err;

    assert_true(reload_order_batch(cert, 0, reload_lines_in_batch(&cert->reloads, 0), variables,
                                   order, &err));
}

static void reloads_are_identical_if_either_does_what_the_other_does(void **state)
{
#define PIDFILE                                                                                    \
    {                                                                                              \
        .verb = RELOAD_SIGNAL_PIDFILE, .signal = SIGHUP, .target = "/run/nginx.pid", .user = -1    \
    }
    static const char *argv[] = {"/bin/tell", "it"}, *joined[] = {"/bin/tellit"};
    static const char *const of_a[] = {"LEAFD_CERT=a", NULL}, *const of_b[] = {"LEAFD_CERT=b",
                                                                               NULL};
    static const struct row {
        const char *what;
        struct reload_action a, b;
        bool same, same_lane, other_limit, other_anchor;
    } rows[] = {
        {"a pidfile", PIDFILE, PIDFILE, .same = true, .same_lane = true},
        {"another signal",
         PIDFILE,
         {.verb = RELOAD_SIGNAL_PIDFILE, .signal = SIGUSR1, .target = "/run/nginx.pid", .user = -1},
         .same = false},
        {"another pidfile",
         PIDFILE,
         {.verb = RELOAD_SIGNAL_PIDFILE, .signal = SIGHUP, .target = "/run/other.pid", .user = -1},
         .same = false},
        {"a process of the pidfile's name",
         PIDFILE,
         {.verb = RELOAD_SIGNAL_PROCESS, .signal = SIGHUP, .target = "/run/nginx.pid", .user = -1},
         .same = false},
        {"another time limit", PIDFILE, PIDFILE, .other_limit = true},
        {"an anchor, which a signal has no use for", PIDFILE, PIDFILE, .same = true,
         .same_lane = true, .other_anchor = true},
        {"another user's process",
         {.verb = RELOAD_SIGNAL_PROCESS, .signal = SIGHUP, .target = "nginx", .user = 33},
         {.verb = RELOAD_SIGNAL_PROCESS, .signal = SIGHUP, .target = "nginx", .user = -1},
         .same = false},
        {"a unit",
         {.verb = RELOAD_UNIT, .target = "nginx.service"},
         {.verb = RELOAD_UNIT, .target = "nginx.service"},
         .same = true,
         .same_lane = true},
        {"a command, which is told of its certificate",
         {.verb = RELOAD_EXEC, .argv = {argv, 2}},
         {.verb = RELOAD_EXEC, .argv = {argv, 2}},
         .same = false},
        {"words that join to the same",
         {.verb = RELOAD_EXEC, .argv = {argv, 2}},
         {.verb = RELOAD_EXEC, .argv = {joined, 1}},
         .same = false},
        {"a request",
         {.verb = RELOAD_HTTP, .method = "POST", .http = {.url = "http://a/x"}},
         {.verb = RELOAD_HTTP, .method = "POST", .http = {.url = "http://a/x"}},
         .same = true,
         .same_lane = true},
        {"another method",
         {.verb = RELOAD_HTTP, .method = "POST", .http = {.url = "http://a/x"}},
         {.verb = RELOAD_HTTP, .method = "PUT", .http = {.url = "http://a/x"}},
         .same = false},
        {"another socket below the same URL",
         {.verb = RELOAD_HTTP, .method = "POST", .http = {.url = "http://a/x", .socket = "/a"}},
         {.verb = RELOAD_HTTP, .method = "POST", .http = {.url = "http://a/x", .socket = "/b"}},
         .same = false},
        {"a request to whom another anchor is trusted",
         {.verb = RELOAD_HTTP, .method = "POST", .http = {.url = "https://a/x"}},
         {.verb = RELOAD_HTTP, .method = "POST", .http = {.url = "https://a/x"}},
         .other_anchor = true},
        {"a line at a socket",
         {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "reload"},
         {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "reload"},
         .same = true,
         .same_lane = true},
        {"another line there",
         {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "reload"},
         {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "quit"},
         .same_lane = true},
        {"the same line with a file of the set",
         {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "set", .payload = "site.pem"},
         {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "set", .payload = "site.pem"},
         .same_lane = true},
        {"another socket",
         {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "reload"},
         {.verb = RELOAD_SOCKET, .target = "/run/t", .line = "reload"},
         .same = false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reload_action actions[2] = {rows[i].a, rows[i].b};
        const struct cert_config a = {
            .reloads = {&actions[0], 1}, .directory = "/tls/a", .command_timeout_s = 30};
        const struct cert_config b = {.reloads = {&actions[1], 1},
                                      .directory = "/tls/b",
                                      .trust_anchor = rows[i].other_anchor ? "/ca.pem" : NULL,
                                      .command_timeout_s = rows[i].other_limit ? 31 : 30};
        struct batch_order its_a, its_b, again;

        keys_of(&a, of_a, &its_a);
        keys_of(&b, of_b, &its_b);
        keys_of(&a, of_a, &again);
        assert_string_equal(its_a.key, again.key);
        if ((strcmp(its_a.key, its_b.key) == 0) != rows[i].same ||
            (strcmp(its_a.lane, its_b.lane) == 0) != rows[i].same_lane)
            fail_msg("%s", rows[i].what);
    }
}

static void lines_at_one_socket_are_one_turn(void **state)
{
    struct reload_action actions[] = {
        {.verb = RELOAD_UNIT, .target = "a.service"},
        {.verb = RELOAD_UNIT, .target = "a.service"},
        {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "set"},
        {.verb = RELOAD_UNIT, .target = "a.service"},
        {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "commit"},
        {.verb = RELOAD_UNIT, .target = "a.service"},
        {.verb = RELOAD_SOCKET, .target = "/run/t", .line = "set"},
        {.verb = RELOAD_SOCKET, .target = "/run/s", .line = "set"},
    };
    static const size_t wanted[] = {1, 1, 3, 1, 1, 1, 1, 1};
    const struct cert_config cert = {.reloads = {actions, COUNT_OF(actions)}};
    static const char *const none[] = {NULL};
    struct batch_order both, one;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        assert_int_equal(reload_lines_in_batch(&cert.reloads, i), wanted[i]);
    assert_true(reload_order_batch(&cert, 2, 3, none, &both, &err));
    assert_true(reload_order_batch(&cert, 2, 1, none, &one, &err));
    assert_string_not_equal(both.key, one.key);
    assert_string_equal(both.lane, one.lane);
}

#define TURN_TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

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
        cmocka_unit_test(nobody_is_signalled_when_it_is_too_late),
        TURN_TEST(who_asks_before_it_begins_shares_it_and_who_asks_later_does_not),
        TURN_TEST(what_nobody_waits_for_is_cancelled),
        TURN_TEST(one_lane_is_one_at_a_time_and_in_order),
        TURN_TEST(so_many_are_carried_out_at_once_and_no_more),
        TURN_TEST(what_cannot_begin_fails_for_all_who_asked),
        TURN_TEST(the_next_of_a_kind_lets_others_gather),
        cmocka_unit_test(reloads_are_identical_if_either_does_what_the_other_does),
        cmocka_unit_test(lines_at_one_socket_are_one_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
