#include "reload/reload_signal.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

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
    NAME_TELLS_BYTES = 3
};

/* Of /proc/PID/stat, proc(5): what is needed here. */
struct process {
    char name[32];
    pid_t parent;
    uint64_t started_ticks; /* since boot */
};

/* glibc 2.36 brings these; Debian 11's does not. */
static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int signal_pidfd(int pidfd, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

/* The number in the field that lies so many fields behind the name; false if there is none. */
static bool read_field(const char *behind_name, unsigned field, uint64_t *ret_number)
{
    char digits[32];
    size_t length;

    for (; field > 0; field--) {
        behind_name = strchr(behind_name, ' ');
        if (behind_name++ == NULL)
            return false;
    }
    length = strcspn(behind_name, " \n");
    if (length >= sizeof digits)
        return false;
    memcpy(digits, behind_name, length);
    digits[length] = '\0';
    return text_number(digits, UINT64_MAX, ret_number);
}

/* False if there is no such process, or one that has ended and that its parent has not fetched: it
 * can be signalled still, and to no effect.
 */
static bool look_at(pid_t pid, struct process *ret_process)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = STAT_MOST_BYTES};
    const char *open, *close;
    uint64_t parent;
    char path[64];
    struct err err;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!file_read_at(AT_FDCWD, path, &bytes, &err))
        return false;
    /* The name stands in parentheses and may itself hold some: the last one closes it. */
    open = strchr(bytes_text(&bytes), '(');
    close = strrchr(bytes_text(&bytes), ')');
    if (open == NULL || close == NULL || close < open || text_starts(close, ") Z") != NULL ||
        text_starts(close, ") X") != NULL)
        return false;
    snprintf(ret_process->name, sizeof ret_process->name, "%.*s", (int)(close - open - 1),
             open + 1);
    /* The state is the first field behind the name, the parent the second, starttime the 20th. */
    if (!read_field(close, 2, &parent) || !read_field(close, 20, &ret_process->started_ticks))
        return false;
    ret_process->parent = (pid_t)parent;
    return true;
}

/* The mask of signals in a line of /proc/PID/status, proc(5); 0: there is no such line. */
static uint64_t signal_mask(const char *status, const char *line)
{
    const char *at = strstr(status, line);

    return at == NULL ? 0 : strtoull(at + strlen(line), NULL, 16);
}

/* The first process of a PID namespace is spared what it does not catch: pid_namespaces(7). */
static bool is_init(const char *status)
{
    const char *at = strstr(status, "\nNSpid:");
    const char *end = at == NULL ? NULL : strchr(at + 1, '\n');

    return end != NULL && end[-1] == '1' && (end[-2] == '\t' || end[-2] == ' ');
}

/* signal(7), "Standard signals": all others end the process by default. */
static bool is_harmless(int signal)
{
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU};

    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (harmless[i] == signal)
            return true;
    return false;
}

/* Whether the operator wants the process ended, for its supervisor to start it anew. */
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

/*
 * Whether the thread waits for the signal: it blocks it, as for signalfd(2), or is in sigwait(3),
 * which unblocks it meanwhile. Where the kernel does not show what it sleeps in, it may be that.
 */
static bool may_wait_for(pid_t thread, int signal)
{
    CLEANUP(bytes_free) struct bytes status = {.limit = STATUS_MOST_BYTES};
    CLEANUP(bytes_free) struct bytes sleep = {.limit = STAT_MOST_BYTES};

    if (!read_of(thread, "status", &status) || !read_of(thread, "wchan", &sleep))
        return true;
    if ((signal_mask(bytes_text(&status), "\nSigBlk:") >> (signal - 1) & 1) != 0)
        return true;
    if (strcmp(bytes_text(&sleep), "0") == 0)
        return strstr(bytes_text(&status), "\nState:\tR") == NULL;
    return strstr(bytes_text(&sleep), "sigtimedwait") != NULL;
}

/*
 * Whether the signal would end the process, instead of making it read its files again. What cannot
 * be read (hidepid) is not held against it.
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

/* Signals what the pidfd holds, unless that would end it. `source` is where its pid or name stood.
 */
static bool signal_process(int pidfd, pid_t pid, const char *name, int signal, const char *source,
                           struct err *err)
{
    if (would_end(pid, signal))
        return err_set(err, ERR_CONSUMER,
                       "reload: process %d (%s) would be ended by SIG%s, which it does not catch, "
                       "and gets none; does %s name the consumer?",
                       (int)pid, name, sigabbrev_np(signal), source);
    return signal_pidfd(pidfd, signal) == 0 ||
           err_errno(err, ERR_CONSUMER, errno, "reload: cannot send SIG%s to process %d (%s)",
                     sigabbrev_np(signal), (int)pid, name);
}

static bool read_pidfile(const char *path, pid_t *ret_pid, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = PIDFILE_MOST_BYTES};
    char text[PIDFILE_MOST_BYTES + 1];
    uint64_t pid;

    if (!file_read_at(AT_FDCWD, path, &bytes, err)) {
        err->kind = ERR_CONSUMER;
        return err_wrap(err, "reload");
    }
    snprintf(text, sizeof text, "%s", bytes_text(&bytes));
    /* PostgreSQL's postmaster.pid holds more lines, with paths in them; the pid is the first. */
    text[strcspn(text, "\n")] = '\0';
    if (!text_number(text_trim(text), INT_MAX, &pid) || pid < 2)
        return err_set(err, ERR_CONSUMER, "reload: %s holds no pid", path);
    *ret_pid = (pid_t)pid;
    return true;
}

/* There is nobody to tell yet: the flow knows that by the errno (consumer_steps). */
static bool nobody_is_there(struct err *err)
{
    err->errnum = ESRCH;
    return false;
}

/*
 * Whether the process started before the pidfile was written, as the one that it names must have.
 *
 * The file tells the wall clock of then and the process the boot clock, so that one which looks
 * younger may be the right one, if the clock was set forward since.
 */
static bool is_older_than_file(const struct process *process, const char *path)
{
    struct timespec boot, wall;
    struct stat about;
    time_t started;

    if (stat(path, &about) != 0)
        return false;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &wall);
    started = wall.tv_sec - boot.tv_sec +
              (time_t)(process->started_ticks / (uint64_t)sysconf(_SC_CLK_TCK));
    return started <= about.st_mtime + CLOCK_SLACK_S;
}

/* Whether the process has a name of the pidfile's path, as nginx has of /run/nginx.pid. */
static bool is_named_in(const struct process *process, const char *path)
{
    return strlen(process->name) >= NAME_TELLS_BYTES && strstr(path, process->name) != NULL;
}

bool reload_signal_pidfile(const char *path, int signal, struct err *err)
{
    CLEANUP(close_fd) int pidfd = -1;
    struct process process;
    pid_t pid = 0;

    if (!read_pidfile(path, &pid, err))
        return false;
    pidfd = open_pidfd(pid);
    if (pidfd < 0 || !look_at(pid, &process))
        return err_set(err, ERR_CONSUMER, "reload: the process %d that %s names does not run",
                       (int)pid, path) ||
               nobody_is_there(err);
    if (!is_older_than_file(&process, path) && !is_named_in(&process, path))
        return err_set(err, ERR_CONSUMER,
                       "reload: %s is left over: the process %d (%s) is younger and not the one it "
                       "named",
                       path, (int)pid, process.name);
    return signal_process(pidfd, pid, process.name, signal, path, err);
}

static bool is_top(const struct process *process, const char *name)
{
    struct process parent;

    return !look_at(process->parent, &parent) || strcmp(parent.name, name) != 0;
}

/* Signals the process if it is one of that name and the topmost; counts it then. */
static bool signal_if_named(pid_t pid, const char *name, int signal, unsigned *count,
                            struct err *err)
{
    CLEANUP(close_fd) int pidfd = open_pidfd(pid);
    struct process process;

    if (pidfd < 0 || !look_at(pid, &process) || strcmp(process.name, name) != 0 ||
        !is_top(&process, name))
        return true;
    if (!signal_process(pidfd, pid, name, signal, "the section", err) && err->errnum != ESRCH)
        return false;
    (*count)++;
    return true;
}

bool reload_signal_process(const char *name, int signal, struct err *err)
{
    CLEANUP(close_directory) DIR *processes = opendir("/proc");
    const struct dirent *entry;
    unsigned count = 0;

    if (processes == NULL)
        return err_errno(err, ERR_CONSUMER, errno, "reload: cannot list /proc");
    while ((entry = readdir(processes)) != NULL) {
        uint64_t pid;

        if (text_number(entry->d_name, INT_MAX, &pid) && (pid_t)pid != getpid() &&
            !signal_if_named((pid_t)pid, name, signal, &count, err))
            return false;
    }
    if (count == 0)
        return err_set(err, ERR_CONSUMER,
                       "reload: no process is named %s; in a pod, is shareProcessNamespace set?",
                       name) ||
               nobody_is_there(err);
    return true;
}
