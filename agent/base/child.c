#include "base/child.h"

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hide.h"
#include "base/keeper.h"
#include "base/timed_job.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OUTPUT_BYTES = 256,
    WHAT_BYTES = 128,
    KEEPER_LATE_AFTER_S = 10, /* after the time limit; the keeper itself needs less */
    PARTS_A_TURN = 16
};

/* The worker's own data. */
struct judgement {
    int fd; /* -1: run by its path */
    char what[WHAT_BYTES];
    char program[];
};

struct child {
    struct slot slot;
    sd_event *loop; /* borrowed */
    struct slot *judging;
    struct judgement *judgement; /* the worker's until it ends */
    struct child *next, *before; /* in the queue, while it waits */
    bool waits;
    struct child_order order; /* a copy in the arena, until it runs */
    struct arena arena;
    sd_event_source *exit, *output, *limit;
    int program_fd, output_fd, report_fd;
    pid_t pid; /* the keeper; 0 when it has ended */
    bool timed_out;
    uint64_t limit_s;
    char what[WHAT_BYTES];
    char line[OUTPUT_BYTES]; /* the last line that it printed, cut to fit */
    size_t line_length;
    bool line_ended;
};

/* -- who may run ----------------------------------------------------------------------------------
 */

/* Limits for the process: commands share the machine whichever certificate starts them. */
static struct line {
    unsigned most; /* 0: not computed yet */
    unsigned running;
    pid_t keepers[CHILDREN_MOST];
    struct child *first, *last;
} lines[2]; /* the second one: beside */

enum { LINES = sizeof lines / sizeof *lines };

static pid_t unwatched[CHILDREN_MOST]; /* were told to end; 0: none */

unsigned child_limit(long cores)
{
    if (cores * 2 < CHILDREN_LEAST)
        return CHILDREN_LEAST;
    return cores * 2 > CHILDREN_MOST ? CHILDREN_MOST : (unsigned)cores * 2;
}

static struct line *line_of(const struct child *child)
{
    return &lines[child->order.beside];
}

static bool has_place(struct line *line)
{
    if (line->most == 0)
        line->most =
            line == lines ? child_limit(sysconf(_SC_NPROCESSORS_ONLN)) : CHILDREN_BESIDE_MOST;
    return line->running < line->most;
}

/* The loop could not watch them, for want of a descriptor: they are reaped when the next command
 * starts or ends. */
static void reap_unwatched(void)
{
    for (unsigned i = 0; i < CHILDREN_MOST; i++)
        if (unwatched[i] > 0 && waitpid(unwatched[i], NULL, WNOHANG) != 0)
            unwatched[i] = 0;
}

static void leave_unwatched(pid_t keeper)
{
    kill(keeper, SIGINT);
    for (unsigned i = 0; i < CHILDREN_MOST; i++)
        if (unwatched[i] == 0) {
            unwatched[i] = keeper;
            return;
        }
}

static void take_place(struct line *line, pid_t keeper)
{
    reap_unwatched();
    line->keepers[line->running++] = keeper;
}

/* The place of the keeper in its line; NULL: it has none. */
static pid_t *place_of(pid_t keeper, struct line **ret_line)
{
    for (size_t i = 0; i < LINES; i++)
        for (unsigned j = 0; j < lines[i].running; j++)
            if (lines[i].keepers[j] == keeper) {
                *ret_line = &lines[i];
                return &lines[i].keepers[j];
            }
    return NULL;
}

bool child_is_watched(pid_t pid)
{
    struct line *line;

    return place_of(pid, &line) != NULL;
}

static void wait_in_line(struct child *child)
{
    struct line *line = line_of(child);

    child->waits = true;
    child->before = line->last;
    *(line->last == NULL ? &line->first : &line->last->next) = child;
    line->last = child;
}

static void leave_line(struct child *child)
{
    struct line *line = line_of(child);

    if (!child->waits)
        return;
    child->waits = false;
    *(child->before == NULL ? &line->first : &child->before->next) = child->next;
    *(child->next == NULL ? &line->last : &child->next->before) = child->before;
    child->next = child->before = NULL;
}

static bool launch(struct child *child, struct err *err);

static void give_place_back(pid_t keeper)
{
    struct line *line = NULL;
    pid_t *place = place_of(keeper, &line);

    reap_unwatched();
    if (place == NULL)
        return;
    *place = line->keepers[--line->running];
    while (line->first != NULL && has_place(line)) {
        struct child *child = line->first;
        struct err err;

        leave_line(child);
        if (!launch(child, &err))
            slot_finish(&child->slot, &err);
    }
}

/* -- one command ----------------------------------------------------------------------------------
 */

/* The keeper kills all processes by itself; the loop only reaps the keeper from now on. */
static void leave_alone(struct child *child)
{
    kill(child->pid, SIGINT);
    sd_event_source_set_child_process_own(child->exit, false);
    sd_event_source_set_userdata(child->exit, NULL);
    sd_event_source_set_floating(child->exit, true);
    child->exit = sd_event_source_unref(child->exit);
}

static void destroy_child(struct slot *slot)
{
    struct child *child = (struct child *)slot;

    leave_line(child);
    slot_drop(child->judging);
    arena_free(&child->arena);
    if (child->pid > 0 && child->exit == NULL) {
        leave_unwatched(child->pid);
        give_place_back(child->pid);
    } else if (child->pid > 0)
        leave_alone(child);
    /* The source owns the keeper: unref kills and reaps it. */
    sd_event_source_disable_unref(child->exit);
    sd_event_source_disable_unref(child->output);
    sd_event_source_disable_unref(child->limit);
    close_fd(&child->program_fd);
    close_fd(&child->output_fd);
    close_fd(&child->report_fd);
    slot_free(slot);
}

/* Keeps the last line that is not empty. */
static void keep_line(struct child *child, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' || text[i] == '\r') {
            child->line_ended = true;
            continue;
        }
        if (child->line_ended) {
            child->line_ended = false;
            child->line_length = 0;
        }
        if (child->line_length + 1 < sizeof child->line)
            child->line[child->line_length++] = text[i];
    }
}

/* Reads a limited amount per iteration of the loop: a command that writes without end must not
 * delay its own time limit. */
static void drain(struct child *child)
{
    char part[4096];
    ssize_t got = 1;

    for (unsigned i = 0; i < PARTS_A_TURN && got > 0; i++) {
        got = read(child->output_fd, part, sizeof part);
        if (got > 0)
            keep_line(child, part, (size_t)got);
    }
    if (got == 0)
        child->output = sd_event_source_disable_unref(child->output);
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    (void)source;
    (void)fd;
    (void)events;
    drain(arg);
    return 0;
}

void child_said(struct slot *slot, char *to, size_t size)
{
    struct child *child = (struct child *)slot;

    child->line[child->line_length] = '\0';
    hide_foreign(to, size, child->line);
}

static void describe(struct child *child, const struct keeper_report *how, struct err *err)
{
    char said[OUTPUT_BYTES];

    child_said(&child->slot, said, sizeof said);
    if (child->timed_out)
        err_set(err, ERR_CONSUMER, "%s did not end within %llus and was killed", child->what,
                (unsigned long long)child->limit_s);
    else if (how->errnum != 0)
        err_errno(err, ERR_CONSUMER, how->errnum, "cannot start %s", child->what);
    else if (how->code == CLD_EXITED)
        err_set(err, ERR_CONSUMER, "%s exited with status %d", child->what, how->status);
    else
        err_set(err, ERR_CONSUMER, "%s was killed by SIG%s", child->what,
                sigabbrev_np(how->status));
    if (said[0] != '\0') {
        size_t used = strlen(err->text);

        snprintf(err->text + used, sizeof err->text - used, ": %s", said);
    }
}

static int on_exit_of(sd_event_source *source, const siginfo_t *keeper_end, void *arg)
{
    struct child *child = arg;
    struct keeper_report how;
    struct err err;

    give_place_back(keeper_end->si_pid);
    if (child == NULL) {
        sd_event_source_set_floating(source, false);
        return 0;
    }
    child->pid = 0;
    drain(child);
    /* A keeper that was killed sends no report: then report its own exit status. */
    if (read(child->report_fd, &how, sizeof how) != (ssize_t)sizeof how)
        how = (struct keeper_report){.code = keeper_end->si_code, .status = keeper_end->si_status};
    if (!child->timed_out && how.errnum == 0 && how.code == CLD_EXITED && how.status == 0) {
        slot_finish(&child->slot, NULL);
        return 0;
    }
    describe(child, &how, &err);
    slot_finish(&child->slot, &err);
    return 0;
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct child *child = arg;

    (void)now_us;
    if (child->pid == 0)
        return 0;
    kill(child->pid, child->timed_out ? SIGKILL : SIGTERM);
    child->timed_out = true;
    sd_event_source_set_time_relative(source,
                                      (KEEPER_KILL_AFTER_S + KEEPER_LATE_AFTER_S) * 1000000ULL);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/*
 * The operator's commands must not get leafd's capabilities: ambient ones would survive exec, and
 * inheritable ones would add to those of a file. Both sets belong to the thread that starts the
 * command: capabilities(7). The thread keeps its permitted and effective sets.
 */
static int keep_capabilities_here(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

    /* EINVAL: kernels before 4.3 have no ambient capabilities. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return errno;
    if (syscall(SYS_capget, &header, sets) != 0)
        return errno;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        sets[i].inheritable = 0;
    return syscall(SYS_capset, &header, sets) == 0 ? 0 : errno;
}

/* The descriptors for the keeper. */
struct child_ends {
    int output_fd, report_fd;
    int program_fd; /* -1: run by its path */
    int input_fd;   /* -1: nothing to read */
};

static int spawn(const struct child_order *order, const struct child_ends *ends, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t heard, all;
    const char **argv = calloc(order->argv->count + 3, sizeof *argv);
    int r;

    if (argv == NULL)
        return ENOMEM;
    argv[0] = KEEPER_NAME;
    argv[1] = order->may_start_services ? KEEPER_LEAVES_SERVICES : KEEPER_ENDS_ALL;
    memcpy(argv + 2, order->argv->items, order->argv->count * sizeof *argv);
    sigemptyset(&heard);
    sigaddset(&heard, SIGTERM);
    sigaddset(&heard, SIGINT);
    sigaddset(&heard, SIGCHLD);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &heard);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&actions);
    if (ends->input_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->input_fd, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends->output_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends->output_fd, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends->report_fd, KEEPER_REPORT_FD);
    if (ends->program_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->program_fd, KEEPER_PROGRAM_FD);
    /* Our descriptors are O_CLOEXEC; the parent of leafd may have left others open. */
    posix_spawn_file_actions_addclosefrom_np(&actions, ends->program_fd >= 0 ? KEEPER_PROGRAM_FD + 1
                                                                             : KEEPER_PROGRAM_FD);
    r = posix_spawn(ret_pid, KEEPER_PROGRAM, &actions, &attributes, (char *const *)argv,
                    (char *const *)order->variables);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    free(argv);
    return r;
}

static int watch(struct child *child, sd_event *loop)
{
    int r = sd_event_add_child(loop, &child->exit, child->pid, WEXITED, on_exit_of, child);

    if (r < 0)
        return r;
    sd_event_source_set_child_process_own(child->exit, true);
    sd_event_source_set_description(child->exit, "child");
    r = sd_event_add_io(loop, &child->output, child->output_fd, EPOLLIN, on_output, child);
    if (r < 0)
        return r;
    sd_event_source_set_description(child->output, "child output");
    r = sd_event_add_time_relative(loop, &child->limit, CLOCK_BOOTTIME, child->limit_s * 1000000, 0,
                                   on_limit, child);
    if (r >= 0)
        sd_event_source_set_description(child->limit, "child time limit");
    return r;
}

/* Only our end is non-blocking. */
static bool open_pipe(const struct child *child, int *ret_ours, int *ret_theirs, struct err *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot make a pipe for %s", child->what);
    *ret_ours = fds[0];
    *ret_theirs = fds[1];
    fcntl(fds[1], F_SETFL, 0);
    return true;
}

static bool start_keeper(struct child *child, const struct child_order *order, struct err *err)
{
    CLEANUP(close_fd) int output_fd = -1;
    CLEANUP(close_fd) int report_fd = -1;
    CLEANUP(close_fd) int input_fd = -1;
    int r;

    /* A pipe would have to be written while the command reads. */
    if ((order->input != NULL && !file_in_memory(order->input, &input_fd, err)) ||
        !open_pipe(child, &child->output_fd, &output_fd, err) ||
        !open_pipe(child, &child->report_fd, &report_fd, err))
        return false;
    r = keep_capabilities_here();
    if (r == 0)
        r = spawn(order, &(struct child_ends){output_fd, report_fd, child->program_fd, input_fd},
                  &child->pid);
    close_fd(&child->program_fd);
    if (r == 0)
        return true;
    child->pid = 0;
    return err_errno(err, ERR_CONSUMER, r, "cannot start %s", child->what);
}

/* Starts the command once a permit is free. */
static bool launch(struct child *child, struct err *err)
{
    int r;

    if (!start_keeper(child, &child->order, err))
        return false;
    arena_free(&child->arena);
    take_place(line_of(child), child->pid);
    r = watch(child, child->loop);
    return r >= 0 || err_errno(err, ERR_LOCAL, -r, "cannot watch %s", child->what);
}

/* -- the program, on a worker ---------------------------------------------------------------------
 */

/*
 * Checks the program each time, since the configuration may have been read months ago. The program
 * is run by its path if only trusted users can replace it after the check. On a volume that others
 * may write, the checked descriptor is run instead; its number is above those of the keeper.
 */
static bool judge_program(void *job, struct err *err)
{
    struct judgement *judgement = job;
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int fd = -1;

    if (trust_open_program(&trust, judgement->program, &fd, err)) {
        if (trust.advice[0] == '\0')
            return true;
        judgement->fd = fcntl(fd, F_DUPFD_CLOEXEC, KEEPER_PROGRAM_FD + 1);
        return judgement->fd >= 0 ||
               err_errno(err, ERR_LOCAL, errno, "cannot start %s", judgement->what);
    }
    if (err->errnum != EPERM && err->errnum != 0)
        return err_errno(err, ERR_CONSUMER, err->errnum, "cannot start %s", judgement->what);
    err->kind = ERR_CONSUMER;
    return err_wrap(err, "cannot start %s", judgement->what);
}

static void free_judgement(void *job)
{
    struct judgement *judgement = job;

    close_fd(&judgement->fd);
    free(judgement);
}

/* The command has no permit yet, so a directory that hangs does not hold one. */
static void on_judged(void *arg, const struct err *judge_err)
{
    struct child *child = arg;
    struct err err = *judge_err;

    if (err.kind == ERR_NONE)
        child->program_fd = take_fd(&child->judgement->fd);
    child->judgement = NULL;
    child->judging = slot_drop(child->judging);
    if (err.kind == ERR_NONE && !has_place(line_of(child)))
        wait_in_line(child);
    else if (err.kind != ERR_NONE || !launch(child, &err))
        slot_finish(&child->slot, &err);
}

static bool start_judging(struct child *child, struct workers *workers, struct err *err)
{
    const char *program = child->order.argv->items[0];
    size_t bytes = strlen(program) + 1;
    struct judgement *judgement = calloc(1, sizeof *judgement + bytes);
    struct timed_job job = {
        program,           judge_program, judgement, free_judgement, child->limit_s * 1000000,
        {.kind = ERR_NONE}};

    if (judgement == NULL)
        return err_memory(err);
    judgement->fd = -1;
    memcpy(judgement->what, child->what, sizeof judgement->what);
    memcpy(judgement->program, program, bytes);
    err_set(
        &job.late, ERR_CONSUMER,
        "cannot start %s: its directory has not answered for %llus; check whether a mount hangs",
        child->what, (unsigned long long)child->limit_s);
    child->judgement = judgement;
    child->judging = timed_job_start(child->loop, workers, &job, on_judged, child, err);
    return child->judging != NULL;
}

/* -- the start ------------------------------------------------------------------------------------
 */

/* The copy lives while the command waits. */
static bool copy_order(struct child *child, const struct child_order *order)
{
    struct text_list *argv = arena_take(&child->arena, sizeof *argv);
    size_t count = 0;
    const char **variables;

    while (order->variables[count] != NULL)
        count++;
    variables = arena_take(&child->arena, (count + 1) * sizeof *variables);
    if (argv == NULL || variables == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if ((variables[i] = arena_copy(&child->arena, order->variables[i])) == NULL)
            return false;
    for (size_t i = 0; i < order->argv->count; i++) {
        const char *item = order->argv->items[i];

        if (!text_list_add(argv, &child->arena, item, strlen(item)))
            return false;
    }
    child->order = *order;
    if (order->input != NULL &&
        (child->order.input = arena_copy(&child->arena, order->input)) == NULL)
        return false;
    child->order.argv = argv;
    child->order.variables = variables;
    return true;
}

struct slot *child_start(sd_event *loop, struct workers *workers, const struct child_order *order,
                         slot_done *on_done, void *arg, struct err *err)
{
    struct child *child = slot_new(sizeof *child, loop, destroy_child, on_done, arg, err);

    if (child == NULL)
        return NULL;
    child->loop = loop;
    child->program_fd = child->output_fd = child->report_fd = -1;
    child->limit_s = order->limit_s;
    snprintf(child->what, sizeof child->what, "%s: %s", order->what, order->argv->items[0]);
    if (copy_order(child, order)) {
        if (start_judging(child, workers, err))
            return &child->slot;
    } else {
        err_memory(err);
    }
    destroy_child(&child->slot);
    return NULL;
}
