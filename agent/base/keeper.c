#include "base/keeper.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/trust_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { KILL_ROUND_MS = 20, KILL_ROUNDS_MOST = 100 };

struct keeper {
    pid_t command; /* also its process group; 0 after it was reaped */
    bool told;     /* leafd has told it to end */
    sigset_t heard;
    struct keeper_report report;
};

bool keeper_is_wanted(int argc, char *const *argv)
{
    return argc > 2 && strcmp(argv[0], KEEPER_NAME) == 0;
}

/* The interpreter of a script opens it by this path as well, so the descriptor stays open in the
 * command. */
static const char *program_of(char *const *argv)
{
    static char by_descriptor[64];

    if (fcntl(KEEPER_PROGRAM_FD, F_GETFD) < 0)
        return argv[0];
    snprintf(by_descriptor, sizeof by_descriptor, "/proc/self/fd/%d", KEEPER_PROGRAM_FD);
    return by_descriptor;
}

static int start_command(struct keeper *keeper, char *const *argv)
{
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    r = posix_spawn(&keeper->command, program_of(argv), NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    return r;
}

/* Reaps the command and its orphans; false if no child is left. */
static bool fetch(struct keeper *keeper)
{
    siginfo_t how;

    for (;;) {
        how.si_pid = 0;
        if (waitid(P_ALL, 0, &how, WEXITED | WNOHANG) != 0)
            return false;
        if (how.si_pid == 0)
            return true;
        if (how.si_pid != keeper->command)
            continue;
        keeper->command = 0;
        keeper->report.code = how.si_code;
        keeper->report.status = how.si_status;
    }
}

/* The time left until `end`; false if there is none. */
static bool time_left(const struct timespec *end, struct timespec *ret_left)
{
    struct timespec now;
    int64_t left_ms;

    clock_gettime(CLOCK_MONOTONIC, &now);
    left_ms = (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
    *ret_left = (struct timespec){.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000};
    return left_ms > 0;
}

/* Waits until the command has ended, or must be killed. */
static void stay(struct keeper *keeper)
{
    struct timespec end = {0}, left;

    while (fetch(keeper) && keeper->command != 0 && (!keeper->told || time_left(&end, &left))) {
        int signal = sigtimedwait(&keeper->heard, NULL, keeper->told ? &left : NULL);

        if (signal == SIGTERM && !keeper->told) {
            clock_gettime(CLOCK_MONOTONIC, &end);
            end.tv_sec += KEEPER_KILL_AFTER_S;
            kill(-keeper->command, SIGTERM);
        }
        keeper->told = keeper->told || signal == SIGTERM || signal == SIGINT;
        if (signal == SIGINT)
            return;
    }
}

/* Whether the command was to start a service, such as the consumer, and has left it running. */
static bool left_a_service(const struct keeper *keeper, const char *what_becomes)
{
    return strcmp(what_becomes, KEEPER_LEAVES_SERVICES) == 0 && !keeper->told &&
           keeper->command == 0 && keeper->report.code == CLD_EXITED && keeper->report.status == 0;
}

/* Grandchildren become children when their parents end, and are killed in the next round. */
static void kill_children(void)
{
    CLEANUP(close_directory) DIR *processes = opendir("/proc");
    const struct dirent *entry;
    struct trust_process process;
    uint64_t pid;

    while (processes != NULL && (entry = readdir(processes)) != NULL)
        if (text_number(entry->d_name, INT_MAX, &pid) && trust_process_read((pid_t)pid, &process) &&
            process.parent == getpid())
            kill(process.pid, SIGKILL);
}

/* Kills everything that is left. A process may survive that sleeps in the kernel or has become
 * root's. */
static void end_all(struct keeper *keeper)
{
    static const struct timespec round = {.tv_nsec = KILL_ROUND_MS * 1000000L};

    for (unsigned i = 0; i < KILL_ROUNDS_MOST && fetch(keeper); i++) {
        if (keeper->command != 0)
            kill(-keeper->command, SIGKILL);
        kill_children();
        sigtimedwait(&keeper->heard, NULL, &round);
    }
}

int keeper_run(char *const *argv)
{
    struct keeper keeper = {0};

    sigemptyset(&keeper.heard);
    sigaddset(&keeper.heard, SIGTERM);
    sigaddset(&keeper.heard, SIGINT);
    sigaddset(&keeper.heard, SIGCHLD);
    sigprocmask(SIG_BLOCK, &keeper.heard, NULL);
    prctl(PR_SET_NAME, KEEPER_NAME);
    fcntl(KEEPER_REPORT_FD, F_SETFD, FD_CLOEXEC);
    /* If leafd is killed, the next leafd runs the command again, so this one must end. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        keeper.report.errnum = errno;
    if (keeper.report.errnum == 0)
        keeper.report.errnum = start_command(&keeper, argv + 2);
    if (keeper.report.errnum == 0) {
        stay(&keeper);
        if (!left_a_service(&keeper, argv[1]))
            end_all(&keeper);
    }
    /* Less than PIPE_BUF, so that the write is atomic: pipe(7). */
    return write(KEEPER_REPORT_FD, &keeper.report, sizeof keeper.report) ==
                   (ssize_t)sizeof keeper.report
               ? 0
               : 1;
}
