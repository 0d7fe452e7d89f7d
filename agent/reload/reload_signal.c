#include "reload/reload_signal.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/timed_job.h"
#include "base/trust.h"
#include "base/trust_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    STAT_MOST_BYTES = 4096,
    STATUS_MOST_BYTES = 65536,
    PIDFILE_MOST_BYTES = 4096,
    CLOCK_SLACK_S = 2,
    NAME_TELLS_BYTES = 3,
    LOOKS_AT_SLEEP = 4
};

/* glibc has these functions since 2.36; Debian 11's does not. */
static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int signal_pidfd(int pidfd, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

/* Reads a signal mask of /proc/PID/status (proc(5)); 0 if there is no such line. */
static uint64_t signal_mask(const char *status, const char *line)
{
    const char *at = strstr(status, line);

    return at == NULL ? 0 : strtoull(at + strlen(line), NULL, 16);
}

/* The first process of a PID namespace is not terminated by signals that it does not catch:
 * pid_namespaces(7). */
static bool is_init(const char *status)
{
    const char *at = strstr(status, "\nNSpid:");
    const char *end = at == NULL ? NULL : strchr(at + 1, '\n');

    return end != NULL && end[-1] == '1' && (end[-2] == '\t' || end[-2] == ' ');
}

/* signal(7), "Standard signals": all others terminate the process by default. */
static bool is_harmless(int signal)
{
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU};

    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (harmless[i] == signal)
            return true;
    return false;
}

/* With these signals the operator terminates the process on purpose; its supervisor starts it
 * again. */
static bool is_for_an_end(int signal)
{
    return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;
}

static bool read_of(pid_t pid, const char *file, struct bytes *bytes)
{
    char path[64];
    struct err err;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return file_read_at(AT_FDCWD, path, bytes, &err);
}

enum glimpse { BLOCKS_IT, RUNS, SLEEPS_ELSEWHERE, SLEEPS_IN_SIGWAIT, SLEEPS_UNSEEN, IS_UNSEEN };

/* Reads the thread's current state and system call. The state is read again after the system call,
 * so that a thread that fell asleep or woke up in between is not taken for one whose system call is
 * hidden. */
static enum glimpse glimpse(pid_t thread, int signal)
{
    CLEANUP(bytes_free) struct bytes status = {.limit = STATUS_MOST_BYTES};
    CLEANUP(bytes_free) struct bytes sleep = {.limit = STAT_MOST_BYTES};
    CLEANUP(bytes_free) struct bytes after = {.limit = STATUS_MOST_BYTES};
    static const char runs[] = "\nState:\tR";

    if (!read_of(thread, "status", &status) || !read_of(thread, "wchan", &sleep) ||
        !read_of(thread, "status", &after))
        return IS_UNSEEN;
    if ((signal_mask(bytes_text(&status), "\nSigBlk:") >> (signal - 1) & 1) != 0)
        return BLOCKS_IT;
    if (strcmp(bytes_text(&sleep), "0") != 0)
        return strstr(bytes_text(&sleep), "sigtimedwait") != NULL ? SLEEPS_IN_SIGWAIT
                                                                  : SLEEPS_ELSEWHERE;
    return strstr(bytes_text(&status), runs) != NULL || strstr(bytes_text(&after), runs) != NULL
               ? RUNS
               : SLEEPS_UNSEEN;
}

/*
 * Whether the thread may wait for the signal: it blocks it, as for signalfd(2), or is in
 * sigwait(3), which unblocks it meanwhile. If the kernel hides the system call, the thread may be
 * in sigwait: the kernel shows "0" for a process that this user may not inspect, but also for a
 * thread that has just woken up, so one read is not enough.
 */
static bool may_wait_for(pid_t thread, int signal)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    enum glimpse seen = glimpse(thread, signal);

    for (unsigned looks = 1; seen == SLEEPS_UNSEEN && looks < LOOKS_AT_SLEEP; looks++) {
        nanosleep(&moment, NULL);
        seen = glimpse(thread, signal);
    }
    return seen != RUNS && seen != SLEEPS_ELSEWHERE;
}

/*
 * Whether the signal would terminate the process instead of reloading it. A process whose state
 * cannot be read (hidepid) gets the signal.
 */
static bool would_end(pid_t pid, int signal)
{
    CLEANUP(close_directory) DIR *threads = NULL;
    CLEANUP(bytes_free) struct bytes bytes = {.limit = STATUS_MOST_BYTES};
    const struct dirent *entry;
    const char *status;
    char path[64];
    uint64_t spared, thread;

    if (is_harmless(signal) || is_for_an_end(signal) || !read_of(pid, "status", &bytes))
        return false;
    status = bytes_text(&bytes);
    spared = signal_mask(status, "\nSigIgn:") | signal_mask(status, "\nSigCgt:");
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    threads = opendir(path);
    if (threads == NULL || (spared >> (signal - 1) & 1) != 0 || is_init(status))
        return false;
    while ((entry = readdir(threads)) != NULL)
        if (text_number(entry->d_name, INT_MAX, &thread) && may_wait_for((pid_t)thread, signal))
            return false;
    return true;
}

struct sending {
    int signal;
    uint64_t until_us; /* deadline, on the boot clock: the caller has given up then */
};

/* Signals the process of the pidfd, unless that would terminate it. `source` names the origin of
 * the pid, for texts. */
static bool signal_process(int pidfd, const struct trust_process *process,
                           const struct sending *sending, const char *source, struct err *err)
{
    int pid = (int)process->pid, signal = sending->signal;

    if (clock_boot_us() >= sending->until_us)
        return err_set(err, ERR_CONSUMER,
                       "reload: the time limit is over before process %d (%s) was signalled", pid,
                       process->name);
    if (would_end(process->pid, signal))
        return err_set(err, ERR_CONSUMER,
                       "reload: process %d (%s) does not catch SIG%s, which would terminate it, "
                       "and gets no signal; check that %s names the consumer",
                       pid, process->name, sigabbrev_np(signal), source);
    if (signal_pidfd(pidfd, signal) == 0)
        return true;
    err_errno(err, ERR_CONSUMER, errno, "reload: cannot send SIG%s to process %d (%s)",
              sigabbrev_np(signal), pid, process->name);
    err->nobody = err->errnum == ESRCH;
    if (err->errnum == EPERM)
        err_append(err, "; reload it by its unit (reload = unit), or run leafd as uid %u",
                   (unsigned)process->user);
    return false;
}

static bool nobody_is_there(struct err *err)
{
    err->nobody = true;
    return false;
}

/* -- by pidfile -----------------------------------------------------------------------------------
 */

static bool take_pid(const struct bytes *bytes, const char *path, pid_t *ret_pid, struct err *err)
{
    char text[PIDFILE_MOST_BYTES + 1];
    uint64_t pid;

    snprintf(text, sizeof text, "%s", bytes_text(bytes));
    /* PostgreSQL's postmaster.pid holds more lines, with paths in them; the pid is the first. */
    text[strcspn(text, "\n")] = '\0';
    if (!text_number(text_trim(text), INT_MAX, &pid) || pid < 2)
        return err_set(err, ERR_CONSUMER, "reload: %s holds no pid", path) || nobody_is_there(err);
    *ret_pid = (pid_t)pid;
    return true;
}

/* Reads the pid before checking the file's owner: the process decides which user may own the file.
 */
static bool read_pidfile(const char *path, pid_t *ret_pid, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = PIDFILE_MOST_BYTES};

    if (!file_read_at(AT_FDCWD, path, &bytes, err)) {
        err->kind = ERR_CONSUMER;
        err->nobody = err->errnum == ENOENT;
        return err_wrap(err, "reload");
    }
    return take_pid(&bytes, path, ret_pid, err);
}

/*
 * Opens the file again, checks that only root or the user of the process can have put it there, and
 * that it still names the same process. This is systemd's rule for PIDFile=, with the user of the
 * process in place of the unit's cgroup: a user who could have written the pid can signal the
 * process anyway. Debian's /run/postgresql may also be written by the group of the process: its
 * members can only put a file of these users there, which names another process of the same user.
 */
static bool open_trusted(const char *path, const struct trust_process *process, int *ret_fd,
                         struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = PIDFILE_MOST_BYTES};
    CLEANUP(close_fd) int fd = -1;
    struct trust trust = {.user = process->user,
                          .group = process->user == 0 ? 0 : process->group,
                          .who = "the user of the process that it names"};
    pid_t pid = 0;

    if (!trust_open_file(&trust, path, &fd, err)) {
        err->nobody = err->errnum == ENOENT;
        if (err->nobody)
            err->kind = ERR_CONSUMER;
        return err_wrap(err, "reload: process %d (%s) gets no signal", (int)process->pid,
                        process->name);
    }
    if (!file_read(fd, path, &bytes, err))
        return err_wrap(err, "reload");
    if (!take_pid(&bytes, path, &pid, err))
        return false;
    if (pid != process->pid)
        return err_set(err, ERR_CONSUMER, "reload: %s changed while leafd read it", path);
    *ret_fd = take_fd(&fd);
    return true;
}

/*
 * Whether the process started before the pidfile was written, as its writer must have.
 *
 * The file's time is of the wall clock and the process's of the boot clock: if the wall clock was
 * set forward since, the right process may look younger.
 */
static bool is_older_than_file(const struct trust_process *process, int fd)
{
    struct timespec boot, wall;
    struct stat about;
    time_t started;

    if (fstat(fd, &about) != 0)
        return false;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &wall);
    started = wall.tv_sec - boot.tv_sec +
              (time_t)(process->started_ticks / (uint64_t)sysconf(_SC_CLK_TCK));
    return started <= about.st_mtime + CLOCK_SLACK_S;
}

/* Whether the pidfile's path contains the name of the process, as /run/nginx.pid does for nginx. */
static bool is_named_in(const struct trust_process *process, const char *path)
{
    return strlen(process->name) >= NAME_TELLS_BYTES && strstr(path, process->name) != NULL;
}

static bool signal_pidfile(const char *path, const struct sending *sending, struct err *err)
{
    CLEANUP(close_fd) int pidfd = -1, fd = -1;
    struct trust_process process;
    pid_t pid = 0;

    if (!read_pidfile(path, &pid, err))
        return false;
    pidfd = open_pidfd(pid);
    if (pidfd < 0 || !trust_process_read(pid, &process))
        return err_set(err, ERR_CONSUMER, "reload: process %d, which %s names, does not run",
                       (int)pid, path) ||
               nobody_is_there(err);
    if (!open_trusted(path, &process, &fd, err))
        return false;
    if (!is_older_than_file(&process, fd) && !is_named_in(&process, path))
        return err_set(err, ERR_CONSUMER,
                       "reload: %s is stale: process %d (%s) started after it was written and is "
                       "not the one that it named",
                       path, (int)pid, process.name) ||
               nobody_is_there(err);
    return signal_process(pidfd, &process, sending, path, err);
}

/* -- by name --------------------------------------------------------------------------------------
 */

/* A process with the name, of a user who may own the consumer. */
struct candidate {
    struct trust_process process;
    int pidfd;
    enum trust_program program;
};

struct search {
    const struct signal_order *wanted;
    struct candidate *found;
    size_t count;
    struct trust_process foreign; /* a process of another user; pid 0: none */
    bool elsewhere;               /* there is a process in another PID namespace */
};

static void end_search(struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        close_fd(&search->found[i].pidfd);
    free(search->found);
}

static bool is_top(const struct trust_process *process)
{
    struct trust_process parent;

    return !trust_process_read(process->parent, &parent) || strcmp(parent.name, process->name) != 0;
}

static bool is_wanted(struct search *search, const struct trust_process *process)
{
    const struct signal_order *wanted = search->wanted;

    if (strcmp(process->name, wanted->name) != 0 || !is_top(process))
        return false;
    if (!trust_process_is_in_our_namespace(process->pid)) {
        search->elsewhere = true;
        return false;
    }
    if (process->user == geteuid() || process->user == wanted->user)
        return true;
    search->foreign = *process;
    return false;
}

/* Adds the process if it may be the consumer; false if memory ran out. */
static bool look_at(struct search *search, pid_t pid)
{
    /* Opened before the checks: then the kernel cannot give the pid to another process. */
    CLEANUP(close_fd) int pidfd = open_pidfd(pid);
    struct candidate one, *found;

    if (pidfd < 0 || !trust_process_read(pid, &one.process) || !is_wanted(search, &one.process))
        return true;
    found = reallocarray(search->found, search->count + 1, sizeof *found);
    if (found == NULL)
        return false;
    one.pidfd = take_fd(&pidfd);
    one.program = trust_process_program(&one.process);
    search->found = found;
    search->found[search->count++] = one;
    return true;
}

static bool look_at_all(struct search *search, struct err *err)
{
    CLEANUP(close_directory) DIR *processes = opendir("/proc");
    const struct dirent *entry;

    if (processes == NULL)
        return err_errno(err, ERR_CONSUMER, errno, "reload: cannot list /proc");
    while ((entry = readdir(processes)) != NULL) {
        uint64_t pid;

        if (text_number(entry->d_name, INT_MAX, &pid) && (pid_t)pid != getpid() &&
            !look_at(search, (pid_t)pid))
            return err_memory(err);
    }
    return true;
}

/*
 * Whether some of the processes execute a program of that name. Then the others only have the name:
 * any user can run a set-user-id program such as sudo through a link of that name.
 */
static bool has_program(const struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        if (search->found[i].program == TRUST_PROGRAM_NAMED)
            return true;
    return false;
}

static bool tell_nobody(const struct search *search, struct err *err)
{
    const char *name = search->wanted->name;

    if (search->foreign.pid != 0) {
        err_set(err, ERR_CONSUMER,
                "reload: process %d (%s) belongs to uid %u, and leafd signals only processes of "
                "its own user (uid %u) or of a user that the line names; if it is the consumer, "
                "write: process %s user %u",
                (int)search->foreign.pid, name, (unsigned)search->foreign.user, (unsigned)geteuid(),
                name, (unsigned)search->foreign.user);
        if (geteuid() != 0)
            err_append(err, ", and run leafd as that user, in a pod by the same runAsUser, or with "
                            "CAP_KILL");
    } else if (search->elsewhere) {
        err_set(
            err, ERR_CONSUMER,
            "reload: processes named %s are only in other PID namespaces, as in a container, and "
            "get no signal; run leafd beside the consumer, in a pod with shareProcessNamespace",
            name);
    } else {
        err_set(err, ERR_CONSUMER,
                "reload: no process is named %s; in a pod, set shareProcessNamespace", name);
    }
    return nobody_is_there(err);
}

static bool signal_named(const struct signal_order *wanted, const struct sending *sending,
                         struct err *err)
{
    CLEANUP(end_search) struct search search = {.wanted = wanted};
    bool told = false, failed = false;
    struct err failure;

    if (!look_at_all(&search, err))
        return false;
    for (size_t i = 0; i < search.count; i++) {
        const struct candidate *one = &search.found[i];

        if (one->program == TRUST_PROGRAM_OTHER && has_program(&search))
            continue;
        if (signal_process(one->pidfd, &one->process, sending, "the section", &failure)) {
            told = true;
        } else if (!failure.nobody) {
            *err = failure;
            failed = true;
        }
    }
    return told || (!failed && tell_nobody(&search, err));
}

bool reload_signal_send(const struct signal_order *order, uint64_t until_us, struct err *err)
{
    const struct sending sending = {order->signal, until_us};

    return order->pidfile != NULL ? signal_pidfile(order->pidfile, &sending, err)
                                  : signal_named(order, &sending, err);
}

/* -- by a worker ----------------------------------------------------------------------------------
 */

/* The worker's own copy of the order. */
struct errand {
    struct signal_order order;
    uint64_t until_us;
    char target[PATH_MAX]; /* the pidfile or name of the order */
};

static bool run_errand(void *job, struct err *err)
{
    const struct errand *errand = job;

    return reload_signal_send(&errand->order, errand->until_us, err);
}

struct slot *reload_signal_start(sd_event *loop, struct workers *workers,
                                 const struct signal_order *order, uint64_t limit_s,
                                 slot_done *on_done, void *arg, struct err *err)
{
    const char *target = order->pidfile != NULL ? order->pidfile : order->name;
    struct errand *errand = malloc(sizeof *errand);
    struct timed_job job = {target, run_errand,        errand,
                            free,   limit_s * 1000000, {.kind = ERR_NONE}};

    if (errand == NULL) {
        err_memory(err);
        return NULL;
    }
    errand->order = *order;
    errand->until_us = clock_boot_us() + limit_s * 1000000;
    snprintf(errand->target, sizeof errand->target, "%s", target);
    if (order->pidfile != NULL)
        errand->order.pidfile = errand->target;
    else
        errand->order.name = errand->target;
    err_set(&job.late, ERR_CONSUMER,
            "reload: %s could not be read within %llus; check whether its file system hangs",
            order->pidfile != NULL ? target : "/proc", (unsigned long long)limit_s);
    return timed_job_start(loop, workers, &job, on_done, arg, err);
}
