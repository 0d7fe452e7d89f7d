/*
 * strike - runs a command and strikes at one of its system calls
 *
 *     strike ORDERS COMMAND [ARGUMENT...]
 *
 * All threads are traced, their calls counted in the order in which they come. What is to happen at
 * which call stands in the mapped file ORDERS (orders.h) and may change while the command runs.
 * Ends as the command ends: with its status, or 128 and the signal. x86-64 only, as forging a
 * result needs the registers.
 */
#include "orders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of ext4, which does not export it, and of XFS (XFS_IOC_GOINGDOWN), in the same words. */
#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)

enum { NO_LOG_FLUSH = 2, THREADS_MOST = 64, SHELL_FAILED = 127 };

/* A call under way that was struck at its entry and needs its result forged. */
struct forgery {
    pid_t thread;
    bool forge;
    long result;
};

static struct strike_orders *orders;
static struct forgery forgeries[THREADS_MOST];
static pid_t command;
static bool working;
static int mount_fd = -1;

static void die(const char *what)
{
    perror(what);
    exit(SHELL_FAILED);
}

/* -- which calls count ----------------------------------------------------------------------------
 */

/* Where a call keeps its directory's descriptor (or its own) and its path; -1: it has none. */
struct call_shape {
    long number;
    int fd, path;
};

static const struct call_shape shapes[] = {
    {SYS_openat, 0, 1},
    {SYS_openat2, 0, 1},
    {SYS_statx, 0, 1},
    {SYS_faccessat, 0, 1},
    {SYS_faccessat2, 0, 1},
    {SYS_mknodat, 0, 1},
    {SYS_name_to_handle_at, 0, 1},
    {SYS_utimensat, 0, 1},
    {SYS_mkdirat, 0, 1},
    {SYS_unlinkat, 0, 1},
    {SYS_symlinkat, 1, 2},
    {SYS_renameat, 0, 1},
    {SYS_renameat2, 0, 1},
    {SYS_readlinkat, 0, 1},
    {SYS_newfstatat, 0, 1},
    {SYS_read, 0, -1},
    {SYS_write, 0, -1},
    {SYS_close, 0, -1},
    {SYS_fsync, 0, -1},
    {SYS_fdatasync, 0, -1},
    {SYS_fchmod, 0, -1},
    {SYS_fchown, 0, -1},
    {SYS_fstat, 0, -1},
    {SYS_flock, 0, -1},
    {SYS_fcntl, 0, -1},
    {SYS_getdents64, 0, -1},
    {SYS_lseek, 0, -1},
    {SYS_fstatfs, 0, -1},
    {SYS_ftruncate, 0, -1},
    {SYS_pread64, 0, -1},
    {SYS_writev, 0, -1},
    {SYS_fgetxattr, 0, -1},
    {SYS_fsetxattr, 0, -1},
    {SYS_fremovexattr, 0, -1},
    {SYS_flistxattr, 0, -1},
    {SYS_access, -1, 0},
    {SYS_statfs, -1, 0},
    {SYS_getxattr, -1, 0},
    {SYS_lgetxattr, -1, 0},
    {SYS_setxattr, -1, 0},
    {SYS_removexattr, -1, 0},
    {SYS_chown, -1, 0},
    {SYS_lchown, -1, 0},
    {SYS_rename, -1, 0},
    {SYS_link, -1, 1},
    {SYS_symlink, -1, 1},
    {SYS_execve, -1, 0},
    {SYS_mkdir, -1, 0},
    {SYS_chmod, -1, 0},
    {SYS_rmdir, -1, 0},
    {SYS_unlink, -1, 0},
    {SYS_lstat, -1, 0},
    {SYS_stat, -1, 0},
    {SYS_open, -1, 0},
    {SYS_readlink, -1, 0},
    {SYS_inotify_add_watch, -1, 1},
    {SYS_fchmodat, 0, 1},
    {SYS_fchownat, 0, 1},
    {SYS_linkat, 0, 1},
};

/* What a reload by command asks of the kernel; no path tells these. Reaping cannot fail. */
static const long child_calls[] = {
    SYS_clone, SYS_clone3, SYS_vfork, SYS_pipe2, SYS_pidfd_open,
};

static void read_text(pid_t thread, uint64_t address, char *to, size_t size)
{
    struct iovec here = {to, size - 1}, there = {(void *)(uintptr_t)address, size - 1};
    ssize_t got = process_vm_readv(thread, &here, 1, &there, 1, 0);

    /* A text near the end of a mapping: take it in smaller bites. */
    for (size_t bite = 64; got < 0 && bite > 0; bite /= 2) {
        here.iov_len = there.iov_len = bite < size ? bite : size - 1;
        got = process_vm_readv(thread, &here, 1, &there, 1, 0);
    }
    to[got < 0 ? 0 : got] = '\0';
}

static void path_of_fd(pid_t thread, int fd, char *to, size_t size)
{
    char name[64];
    ssize_t length;

    if (fd == AT_FDCWD)
        snprintf(name, sizeof name, "/proc/%d/cwd", (int)thread);
    else
        snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)thread, fd);
    length = readlink(name, to, size - 1);
    to[length < 0 ? 0 : length] = '\0';
}

static void path_of_call(pid_t thread, const struct call_shape *shape, const uint64_t *args,
                         char *to, size_t size)
{
    char path[PATH_MAX] = "", folder[PATH_MAX] = "";

    if (shape->path >= 0)
        read_text(thread, args[shape->path], path, sizeof path);
    if (shape->fd >= 0 && path[0] != '/')
        path_of_fd(thread, (int)args[shape->fd], folder, sizeof folder);
    snprintf(to, size, "%.120s%s%.120s", folder, path[0] != '\0' && path[0] != '/' ? "/" : "",
             path);
}

static bool touches_set(pid_t thread, const struct __ptrace_syscall_info *info)
{
    char path[sizeof orders->what];

    for (size_t i = 0; i < sizeof child_calls / sizeof *child_calls; i++)
        if ((long)info->entry.nr == child_calls[i]) {
            if (!orders->struck)
                snprintf(orders->what, sizeof orders->what, "a child");
            return true;
        }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if ((long)info->entry.nr != shapes[i].number)
            continue;
        path_of_call(thread, &shapes[i], (const uint64_t *)info->entry.args, path, sizeof path);
        if (strncmp(path, orders->directory, strlen(orders->directory)) != 0)
            return false;
        if (!orders->struck)
            memcpy(orders->what, path, sizeof orders->what);
        return true;
    }
    return false;
}

static bool counts(pid_t thread, const struct __ptrace_syscall_info *info)
{
    if (orders->scope == SCOPE_SET)
        return touches_set(thread, info);
    working = working || info->entry.nr == SYS_umask;
    return working;
}

/* -- striking -------------------------------------------------------------------------------------
 */

static void open_mount(void)
{
    if (mount_fd < 0 && orders->mount[0] != '\0')
        mount_fd = open(orders->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mount_fd < 0)
        die(orders->mount);
}

static void kill_command(void)
{
    uint32_t how = NO_LOG_FLUSH;

    if (orders->action == STRIKE_CUT) {
        open_mount();
        if (ioctl(mount_fd, FS_IOC_SHUTDOWN, &how) != 0)
            die("FS_IOC_SHUTDOWN");
    }
    kill(command, SIGKILL);
}

static struct forgery *forgery_of(pid_t thread)
{
    struct forgery *free_one = NULL;

    for (size_t i = 0; i < THREADS_MOST; i++) {
        if (forgeries[i].thread == thread)
            return &forgeries[i];
        if (forgeries[i].thread == 0 && free_one == NULL)
            free_one = &forgeries[i];
    }
    if (free_one == NULL)
        die("too many threads");
    *free_one = (struct forgery){.thread = thread};
    return free_one;
}

/* Has the call fail; close is done all the same, as Linux frees the descriptor in any case. */
static void fail_call(pid_t thread, uint64_t number)
{
    struct forgery *forgery = forgery_of(thread);
    struct user_regs_struct registers;

    forgery->forge = true;
    forgery->result = -orders->errnum;
    if (number == SYS_close)
        return;
    ptrace(PTRACE_GETREGS, thread, NULL, &registers);
    registers.orig_rax = (unsigned long long)-1;
    ptrace(PTRACE_SETREGS, thread, NULL, &registers);
}

/* A write of many bytes becomes one of a single byte. */
static bool shorten_call(pid_t thread, uint64_t number)
{
    struct user_regs_struct registers;

    ptrace(PTRACE_GETREGS, thread, NULL, &registers);
    if (number != SYS_write || registers.rdx < 2)
        return false;
    registers.rdx = 1;
    ptrace(PTRACE_SETREGS, thread, NULL, &registers);
    return true;
}

/* Until the other end of the socket has done what it wanted to do in between. */
static void hold_command(void)
{
    char byte = 'h';
    ssize_t got;

    if (write(orders->socket, &byte, 1) != 1)
        die("nobody to hold for");
    do
        got = read(orders->socket, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1)
        die("held for nobody");
}

static void strike_call(pid_t thread, uint64_t number)
{
    bool done = true;

    switch ((enum strike_action)orders->action) {
    case STRIKE_NOTHING:
        return;
    case STRIKE_KILL:
    case STRIKE_CUT:
        kill_command();
        break;
    case STRIKE_FAIL:
        fail_call(thread, number);
        break;
    case STRIKE_SHORTEN:
        done = shorten_call(thread, number);
        break;
    case STRIKE_HOLD:
        hold_command();
        break;
    }
    orders->call = (uint32_t)number;
    orders->struck = done;
}

/* The thread whose call is struck when it ends, or 0. */
static pid_t awaited;

static void on_entry(pid_t thread, const struct __ptrace_syscall_info *info)
{
    if (!counts(thread, info))
        return;
    orders->seen++;
    if (orders->sync_at != 0 && orders->seen == orders->sync_at) {
        open_mount();
        syncfs(mount_fd);
    }
    if (orders->action == STRIKE_HOLD && orders->struck && orders->seen == orders->until)
        hold_command();
    if (orders->struck || orders->seen != orders->at)
        return;
    if (orders->after) {
        awaited = thread;
        orders->call = (uint32_t)info->entry.nr;
    } else {
        strike_call(thread, info->entry.nr);
    }
}

static void on_exit_of(pid_t thread)
{
    struct forgery *forgery;
    struct user_regs_struct registers;

    if (thread == awaited) {
        awaited = 0;
        strike_call(thread, orders->call);
    }
    for (forgery = forgeries; forgery < forgeries + THREADS_MOST; forgery++) {
        if (forgery->thread != thread || !forgery->forge)
            continue;
        ptrace(PTRACE_GETREGS, thread, NULL, &registers);
        registers.rax = (unsigned long long)forgery->result;
        ptrace(PTRACE_SETREGS, thread, NULL, &registers);
        *forgery = (struct forgery){0};
    }
}

static void on_call(pid_t thread)
{
    struct __ptrace_syscall_info info;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        on_entry(thread, &info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        on_exit_of(thread);
}

/* -- the loop -------------------------------------------------------------------------------------
 */

static void start(char **argv)
{
    /* Threads only: a child that is traced ends for its parent a moment after its pidfd says so. */
    const long options =
        PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    int status;

    command = fork();
    if (command < 0)
        die("fork");
    if (command == 0) {
        raise(SIGSTOP);
        execv(argv[0], argv);
        die(argv[0]);
    }
    if (waitpid(command, &status, WUNTRACED) != command ||
        ptrace(PTRACE_SEIZE, command, NULL, options) != 0)
        die("PTRACE_SEIZE");
    kill(command, SIGCONT);
}

/* What a stop asks for: the signal to hand on. */
static int signal_to_hand_on(pid_t thread, int status)
{
    int number = WSTOPSIG(status);

    if (number == (SIGTRAP | 0x80)) {
        on_call(thread);
        return 0;
    }
    /* Stops of ptrace's own: clone, exec, and those of a new thread or a group. */
    if (status >> 16 != 0 || number == SIGTRAP || number == SIGSTOP || number == SIGCONT)
        return 0;
    return number;
}

static int run(void)
{
    int status;

    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);

        if (thread < 0 && errno != EINTR)
            die("waitpid");
        if (thread == command && WIFEXITED(status))
            return WEXITSTATUS(status);
        if (thread == command && WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
        if (thread > 0 && WIFSTOPPED(status))
            ptrace(PTRACE_SYSCALL, thread, NULL,
                   (void *)(intptr_t)signal_to_hand_on(thread, status));
    }
}

/* A driver that wants to end the command signals us: hand it on. */
static void on_signal(int number)
{
    if (command > 0)
        kill(command, number);
}

int main(int argc, char **argv)
{
    struct sigaction hand_on = {.sa_handler = on_signal};
    int fd;

    if (argc < 3) {
        fprintf(stderr, "usage: strike ORDERS COMMAND [ARGUMENT...]\n");
        return 2;
    }
    fd = open(argv[1], O_RDWR | O_CLOEXEC);
    orders =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (orders == MAP_FAILED)
        die(argv[1]);
    if (orders->socket > 0)
        fcntl(orders->socket, F_SETFD, FD_CLOEXEC);
    start(argv + 2);
    sigaction(SIGTERM, &hand_on, NULL);
    sigaction(SIGHUP, &hand_on, NULL);
    return run();
}
