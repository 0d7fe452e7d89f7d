/* What takes time ends once, later, and not at all when its slot is dropped. */
#include "unit.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/keeper.h"
#include "base/semaphore.h"
#include "base/worker.h"
#include "cert/wall_timer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct heard {
    sd_event *loop;
    struct workers *workers;
    unsigned times;
    struct err err;
};

static void hear(void *arg, const struct err *err)
{
    struct heard *heard = arg;

    heard->times++;
    heard->err = *err;
}

static int open_loop(void **state)
{
    struct heard *heard = calloc(1, sizeof *heard);
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    *state = heard;
    return sd_event_new(&heard->loop) < 0 ||
           !workers_open(heard->loop, 2, &heard->workers, &heard->err);
}

static int close_loop(void **state)
{
    struct heard *heard = *state;

    workers_close(heard->workers, 10);
    sd_event_unref(heard->loop);
    free(heard);
    return 0;
}

/* Turns the loop until something was heard, or nothing is left to do for `limit_us`. */
static void turn(struct heard *heard, uint64_t limit_us)
{
    while (heard->times == 0 && sd_event_run(heard->loop, limit_us) > 0)
        ;
}

/* -- workers --------------------------------------------------------------------------------------
 */

struct job {
    unsigned *freed;
    unsigned ran;
    int go; /* a descriptor to wait for; -1 for none */
    bool fails;
};

static bool run_job(void *arg, struct err *err)
{
    struct job *job = arg;
    char c;

    if (job->go >= 0)
        (void)!read(job->go, &c, 1);
    job->ran++;
    return !job->fails || err_set(err, ERR_LOCAL, "as asked");
}

static void free_job(void *arg)
{
    struct job *job = arg;

    ++*job->freed;
    free(job);
}

static struct job *new_job(unsigned *freed, int go, bool fails)
{
    struct job *job = calloc(1, sizeof *job);

    *job = (struct job){.freed = freed, .go = go, .fails = fails};
    return job;
}

static void a_job_ends_once_and_later(void **state)
{
    struct heard *heard = *state;
    struct workers *workers;
    unsigned freed = 0;
    struct slot *slot;
    struct job *job = new_job(&freed, -1, true);
    struct err err;

    assert_true(workers_open(heard->loop, 2, &workers, &err));
    slot = worker_start(workers, WORK_NEXT, run_job, job, free_job, hear, heard, &err);
    assert_non_null(slot);
    assert_int_equal(heard->times, 0);
    turn(heard, UINT64_MAX);
    assert_int_equal(heard->times, 1);
    assert_int_equal(heard->err.kind, ERR_LOCAL);
    assert_int_equal(job->ran, 1);
    assert_int_equal(freed, 0);
    slot_drop(slot);
    assert_int_equal(freed, 1);
    assert_true(workers_close(workers, 10));
}

static void a_dropped_job_is_unheard_and_freed_whether_it_waits_or_runs(void **state)
{
    struct heard *heard = *state;
    struct workers *workers;
    unsigned freed = 0;
    struct slot *running, *queued;
    struct err err;
    int go[2];

    assert_int_equal(pipe(go), 0);
    assert_true(workers_open(heard->loop, 1, &workers, &err));
    running = worker_start(workers, WORK_NEXT, run_job, new_job(&freed, go[0], false), free_job,
                           hear, heard, &err);
    queued = worker_start(workers, WORK_NEXT, run_job, new_job(&freed, -1, false), free_job, hear,
                          heard, &err);
    slot_drop(queued);
    assert_int_equal(freed, 1);
    slot_drop(running);
    assert_int_equal(write(go[1], "x", 1), 1);
    while (freed < 2)
        sd_event_run(heard->loop, 1000);
    assert_int_equal(heard->times, 0);
    assert_true(workers_close(workers, 10));
    close(go[0]);
    close(go[1]);
}

static void many_jobs_all_end(void **state)
{
    struct heard *heard = *state;
    struct workers *workers;
    unsigned freed = 0;
    struct slot *slots[200];
    struct err err;

    assert_true(workers_open(heard->loop, 8, &workers, &err));
    for (size_t i = 0; i < COUNT_OF(slots); i++)
        slots[i] = worker_start(workers, WORK_NEXT, run_job, new_job(&freed, -1, false), free_job,
                                hear, heard, &err);
    while (heard->times < COUNT_OF(slots))
        sd_event_run(heard->loop, UINT64_MAX);
    for (size_t i = 0; i < COUNT_OF(slots); i++)
        slot_drop(slots[i]);
    assert_int_equal(freed, COUNT_OF(slots));
    assert_true(workers_close(workers, 10));
}

static void what_is_let_go_runs_before_the_pool_is_closed(void **state)
{
    struct heard *heard = *state;
    const struct lane_key lane = {"/set", 1};
    struct workers *workers;
    unsigned freed = 0;
    struct slot *running, *queued;
    struct err err;
    int go[2];

    assert_int_equal(pipe(go), 0);
    assert_true(workers_open(heard->loop, 1, &workers, &err));
    running = worker_start_in(workers, &lane, WORK_NEXT, run_job, new_job(&freed, go[0], false),
                              free_job, hear, heard, &err);
    queued = worker_start_in(workers, &lane, WORK_NEXT, run_job, new_job(&freed, go[0], false),
                             free_job, hear, heard, &err);
    assert_true(
        worker_send(workers, &lane, run_job, new_job(&freed, go[0], false), free_job, &err));
    assert_null(worker_let_go(queued));
    assert_null(worker_let_go(running));
    assert_int_equal(write(go[1], "abc", 3), 3);
    assert_true(workers_close(workers, 10));
    assert_int_equal(freed, 3);
    assert_int_equal(heard->times, 0);
    close(go[1]);
    assert_int_equal(read(go[0], &(char){0}, 1), 0);
    close(go[0]);
}

/* Each disk has more jobs than there are threads, and those of one never end. */
static void a_disk_that_hangs_holds_only_its_own_jobs(void **state)
{
    struct heard *heard = *state;
    struct workers *workers;
    unsigned freed = 0;
    char name[16];
    struct slot *hung[6], *other;
    struct err err;
    int go[2];

    assert_int_equal(pipe(go), 0);
    assert_true(workers_open(heard->loop, 2, &workers, &err));
    for (size_t i = 0; i < COUNT_OF(hung); i++) {
        snprintf(name, sizeof name, "/hung/%zu", i);
        hung[i] = worker_start_in(workers, &(struct lane_key){name, 1}, WORK_NEXT, run_job,
                                  new_job(&freed, go[0], false), free_job, hear, heard, &err);
    }
    other = worker_start_in(workers, &(struct lane_key){"/other", 2}, WORK_NEXT, run_job,
                            new_job(&freed, -1, false), free_job, hear, heard, &err);
    turn(heard, UINT64_MAX);
    assert_int_equal(heard->times, 1);
    slot_drop(other);
    for (size_t i = 0; i < COUNT_OF(hung); i++)
        slot_drop(hung[i]);
    assert_int_equal(write(go[1], "abcdef", 6), 6);
    assert_true(workers_close(workers, 10));
    close(go[0]);
    close(go[1]);
}

static void a_pool_is_left_when_a_disk_hangs(void **state)
{
    struct heard *heard = *state;
    struct workers *workers;
    unsigned freed = 0;
    struct err err;
    int go[2];

    assert_int_equal(pipe(go), 0);
    assert_true(workers_open(heard->loop, 1, &workers, &err));
    assert_true(worker_send(workers, &(struct lane_key){"/hung", 1}, run_job,
                            new_job(&freed, go[0], false), free_job, &err));
    assert_true(worker_send(workers, &(struct lane_key){"/other", 2}, run_job,
                            new_job(&freed, -1, false), free_job, &err));
    assert_false(workers_close(workers, 1));
    assert_int_equal(freed, 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_true(workers_close(workers, 10));
    assert_int_equal(freed, 2);
    close(go[0]);
    close(go[1]);
}

/* -- children -------------------------------------------------------------------------------------
 */

enum {
    LIMIT_S = 60, /* of commands that end by themselves, however busy the machine is */
    TRIES = 6000  /* of 10 ms, until something has come about */
};

static struct slot *run(struct heard *heard, const char *script, uint64_t limit_s)
{
    const char *argv[] = {"/bin/sh", "-c", script};
    const struct text_list list = {argv, 3};
    const char *variables[] = {"PATH=/usr/bin:/bin", "LEAFD_CERT=web", NULL};
    const struct child_order order = {
        .what = "reload", .argv = &list, .variables = variables, .limit_s = limit_s};
    struct err err;
    struct slot *slot = child_start(heard->loop, heard->workers, &order, hear, heard, &err);

    assert_non_null(slot);
    return slot;
}

static void a_command_runs_with_a_clean_environment(void **state)
{
    struct heard *heard = *state;
    struct slot *slot;

    setenv("LEAFD_CANARY", "must not be seen", 1);
    slot = run(heard,
               "test \"$LEAFD_CERT\" = web && test -z \"$LEAFD_CANARY\" && "
               "test \"$(ls /proc/self/fd | wc -l)\" -le 4 && test \"$(readlink /proc/self/fd/0)\" "
               "= /dev/null",
               LIMIT_S);
    turn(heard, UINT64_MAX);
    if (heard->err.kind != ERR_NONE)
        fail_msg("%s", heard->err.text);
    slot_drop(slot);
}

/* Runs the loop until no child is left: the loop fetches them, not we. */
static void await_no_child(struct heard *heard)
{
    siginfo_t how;
    int r = 0;

    for (int tries = 0; tries < TRIES && r == 0; tries++) {
        sd_event_run(heard->loop, 10000);
        r = waitid(P_ALL, 0, &how, WEXITED | WNOHANG | WNOWAIT);
    }
    assert_int_equal(r, -1);
    assert_int_equal(errno, ECHILD);
}

static void a_command_reads_what_it_is_given_and_one_beside_waits_for_no_permit(void **state)
{
    struct heard *heard = *state;
    const char *argv[] = {"/bin/sh", "-c", "test \"$(cat)\" = given && echo said"};
    const struct text_list list = {argv, 3};
    const struct child_order order = {.what = "on_event",
                                      .argv = &list,
                                      .variables = (const char *[]){"PATH=/usr/bin:/bin", NULL},
                                      .input = "given\n",
                                      .limit_s = LIMIT_S,
                                      .beside = true};
    unsigned most = child_limit(sysconf(_SC_NPROCESSORS_ONLN));
    struct slot *busy[CHILDREN_MOST], *slot;
    char said[16];
    struct err err;

    for (unsigned i = 0; i < most; i++)
        busy[i] = run(heard, "sleep 1000", 2 * LIMIT_S);
    slot = child_start(heard->loop, heard->workers, &order, hear, heard, &err);
    assert_non_null(slot);
    turn(heard, UINT64_MAX);
    if (heard->err.kind != ERR_NONE)
        fail_msg("%s", heard->err.text);
    child_said(slot, said, sizeof said);
    assert_string_equal(said, "said");
    slot_drop(slot);
    for (unsigned i = 0; i < most; i++)
        slot_drop(busy[i]);
    await_no_child(heard);
}

static void a_command_that_fails_tells_its_last_line(void **state)
{
    struct heard *heard = *state;
    struct slot *slot =
        run(heard, "echo first; echo 'cannot load: no such key' >&2; exit 3", LIMIT_S);

    turn(heard, UINT64_MAX);
    assert_int_equal(heard->err.kind, ERR_CONSUMER);
    assert_string_equal(heard->err.text,
                        "reload: /bin/sh exited with status 3: cannot load: no such key");
    slot_drop(slot);
}

static void a_command_that_is_killed_says_so(void **state)
{
    struct heard *heard = *state;
    struct slot *slot = run(heard, "kill -SEGV $$", LIMIT_S);

    turn(heard, UINT64_MAX);
    assert_non_null(strstr(heard->err.text, "was killed by SIGSEGV"));
    slot_drop(slot);
}

/* Runs the script until its limit; the number that it wrote to the file, 0 if it had not the time.
 */
static int run_over_time(struct heard *heard, const char *script, const char *path,
                         unsigned limit_s)
{
    struct slot *slot = run(heard, script, limit_s);
    char said[64];
    int pid = 0;
    FILE *file;

    heard->times = 0;
    turn(heard, UINT64_MAX);
    snprintf(said, sizeof said, "did not end within %us and was killed", limit_s);
    assert_non_null(strstr(heard->err.text, said));
    slot_drop(slot);
    file = fopen(path, "r");
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid;
}

/* `stubborn` is what the command says to SIGTERM. */
static void outlive_the_time_limit(struct heard *heard, const char *stubborn)
{
    char path[] = "/tmp/leafd-unit-XXXXXX", script[256];
    int fd = mkstemp(path), pid = 0;

    /* The grandchild ignores SIGTERM, so that only SIGKILL to the group ends it. */
    snprintf(script, sizeof script,
             "(trap '' TERM; echo $(exec sh -c 'echo $PPID') >%s; while :; do sleep 1; done) & "
             "%s while :; do sleep 1; done",
             path, stubborn);
    /* A busy machine may take longer than that to begin. */
    for (unsigned limit_s = 1; pid == 0 && limit_s <= 32; limit_s *= 2)
        pid = run_over_time(heard, script, path, limit_s);
    assert_int_not_equal(pid, 0);
    for (int tries = 0; tries < TRIES && kill(pid, 0) == 0; tries++)
        usleep(10000);
    assert_int_equal(kill(pid, 0), -1);
    close(fd);
    unlink(path);
}

static void a_command_over_its_time_is_killed_with_its_children(void **state)
{
    outlive_the_time_limit(*state, "trap '' TERM;");
}

static void a_command_that_heeds_its_time_is_not_outlived_by_its_children(void **state)
{
    outlive_the_time_limit(*state, "");
}

static void a_dropped_command_is_killed_and_reaped(void **state)
{
    struct heard *heard = *state;
    struct slot *slot = run(heard, "while :; do sleep 1; done", 60);

    slot_drop(slot);
    await_no_child(heard);
    assert_int_equal(heard->times, 0);
}

/* Runs the loop until a script has written its pid, and gives that. */
static pid_t await_pid(struct heard *heard, const char *path)
{
    int pid = 0;

    for (int tries = 0; tries < TRIES && pid == 0; tries++) {
        FILE *file = fopen(path, "r");
        char end = 0;

        if (file == NULL || fscanf(file, "%d%c", &pid, &end) != 2 || end != '\n')
            pid = 0;
        if (file != NULL)
            fclose(file);
        sd_event_run(heard->loop, 10000);
    }
    assert_true(pid > 0);
    return pid;
}

enum how_it_ends { BY_ITSELF, BY_FAILING, AT_THE_LIMIT, DROPPED };

/* A daemon of its own session, whose parent has ended, as nohup and setsid make it. */
static void start_a_daemon_and_end(struct heard *heard, enum how_it_ends how)
{
    static const char *const ends[] = {"exit 0", "exit 3", "while :; do sleep 1; done",
                                       "while :; do sleep 1; done"};
    char path[] = "/tmp/leafd-unit-XXXXXX", script[256];
    struct slot *slot;
    pid_t pid;

    close(mkstemp(path));
    snprintf(script, sizeof script,
             "(setsid sh -c 'trap \"\" TERM HUP; echo $$ >%s; exec sleep 1000' &) ; "
             "until [ -s %s ]; do sleep 0.01; done; %s",
             path, path, ends[how]);
    if (how == AT_THE_LIMIT) {
        /* A busy machine may take longer than that to begin. */
        for (unsigned limit_s = 1; (pid = run_over_time(heard, script, path, limit_s)) == 0;
             limit_s *= 2)
            assert_true(limit_s <= 32);
        slot = NULL;
    } else
        slot = run(heard, script, LIMIT_S);
    if (how == BY_ITSELF || how == BY_FAILING)
        turn(heard, UINT64_MAX);
    if (how != AT_THE_LIMIT)
        pid = await_pid(heard, path);
    if (how == DROPPED)
        assert_int_equal(kill(pid, 0), 0);
    slot_drop(slot);
    await_no_child(heard);
    assert_int_equal(kill(pid, 0), -1);
    if (how != DROPPED)
        assert_int_equal(heard->err.kind, how == BY_ITSELF ? ERR_NONE : ERR_CONSUMER);
    unlink(path);
}

static void what_a_command_left_behind_ends_with_it(void **state)
{
    struct heard *heard = *state;

    for (enum how_it_ends how = BY_ITSELF; how <= DROPPED; how++) {
        heard->times = 0;
        start_a_daemon_and_end(heard, how);
    }
}

/* One whose parent is this process, though no command started it, and another command's. */
static void what_others_started_does_not_end_with_a_command(void **state)
{
    struct heard *heard = *state, other_heard = {.loop = heard->loop, .workers = heard->workers};
    struct slot *other = run(&other_heard, "setsid sleep 0.5 & wait $!", 60), *slot;
    pid_t pid = fork();

    if (pid == 0) {
        setsid();
        pause();
    }
    slot = run(heard, "exit 0", 60);
    turn(heard, UINT64_MAX);
    slot_drop(slot);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    turn(&other_heard, UINT64_MAX);
    assert_int_equal(other_heard.err.kind, ERR_NONE);
    slot_drop(other);
    await_no_child(heard);
}

static void a_program_that_is_not_there_fails(void **state)
{
    struct heard *heard = *state;
    const char *argv[] = {"/no/such/program"};
    const struct text_list list = {argv, 1};
    const struct child_order order = {
        .what = "validate", .argv = &list, .variables = (const char *[]){NULL}, .limit_s = 5};
    struct slot *slot;
    struct err err;

    slot = child_start(heard->loop, heard->workers, &order, hear, heard, &err);
    assert_non_null(slot);
    turn(heard, UINT64_MAX);
    assert_int_equal(heard->err.kind, ERR_CONSUMER);
    assert_int_equal(heard->err.errnum, ENOENT);
    assert_non_null(strstr(heard->err.text, "cannot start validate: /no/such/program"));
    slot_drop(slot);
}

static void so_many_commands_run_at_once_as_the_cores_allow(void **state)
{
    static const struct {
        long cores;
        unsigned most;
    } cases[] = {{-1, 4}, {0, 4}, {1, 4}, {2, 4}, {3, 6}, {8, 16}, {16, 32}, {128, 32}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(child_limit(cases[i].cores), cases[i].most);
}

/* The last is dropped while it waits in line. */
static void commands_over_the_limit_wait_in_line(void **state)
{
    struct heard *heard = *state;
    struct slot *slots[2 * CHILDREN_MOST + 1];
    size_t count = COUNT_OF(slots) - 1;

    for (size_t i = 0; i <= count; i++)
        slots[i] = run(heard, "exit 0", LIMIT_S);
    slot_drop(slots[count]);
    while (heard->times < count && sd_event_run(heard->loop, UINT64_MAX) > 0)
        ;
    assert_int_equal(heard->times, count);
    assert_int_equal(heard->err.kind, ERR_NONE);
    for (size_t i = 0; i < count; i++)
        slot_drop(slots[i]);
}

/* -- permits and timers ---------------------------------------------------------------------------
 */

enum { CROWD = 10000 };

/* Who was granted a permit, in order. */
struct granted {
    size_t count;
    unsigned who[CROWD];
};

struct applicant {
    struct granted *granted;
    struct permit permit;
    unsigned number;
};

static void note_granted(void *arg)
{
    struct applicant *applicant = arg;

    applicant->granted->who[applicant->granted->count++] = applicant->number;
}

static void apply(struct semaphore *permits, struct applicant *applicant, unsigned number,
                  uint32_t group, struct granted *granted)
{
    struct err err;

    *applicant = (struct applicant){.granted = granted, .number = number};
    assert_true(
        semaphore_acquire(permits, group, note_granted, applicant, &applicant->permit, &err));
}

static void permits_are_granted_in_line_and_given_back(void **state)
{
    struct semaphore permits;
    struct granted granted = {0};
    struct applicant each[4];

    (void)state;
    semaphore_open(&permits, 2);
    for (unsigned i = 0; i < COUNT_OF(each); i++)
        apply(&permits, &each[i], i, 0, &granted);
    assert_int_equal(granted.count, 2);
    semaphore_release(&permits, &each[2].permit); /* still in line */
    semaphore_release(&permits, &each[0].permit);
    assert_int_equal(granted.count, 3);
    assert_int_equal(granted.who[2], 3);
    semaphore_release(&permits, &each[1].permit);
    semaphore_release(&permits, &each[3].permit);
    semaphore_release(&permits, &each[3].permit);
    assert_int_equal(permits.taken, 0);
    assert_null(permits.groups);
}

static void a_group_that_hangs_leaves_half_of_the_permits_to_the_others(void **state)
{
    struct semaphore permits;
    struct granted granted = {0};
    struct applicant hanging[6], well[3];

    (void)state;
    semaphore_open(&permits, 4);
    for (unsigned i = 0; i < COUNT_OF(hanging); i++)
        apply(&permits, &hanging[i], i, 1, &granted);
    assert_int_equal(permits.taken, 4); /* nobody else wants one */
    for (unsigned i = 0; i < COUNT_OF(well); i++)
        apply(&permits, &well[i], 10 + i, 2, &granted);
    semaphore_release(&permits, &hanging[0].permit);
    semaphore_release(&permits, &hanging[1].permit);
    assert_int_equal(granted.count, 6); /* the others are ahead of two that came before */
    assert_int_equal(granted.who[4], 10);
    assert_int_equal(granted.who[5], 11);
    semaphore_release(&permits, &well[0].permit);
    assert_int_equal(granted.who[6], 12);
    semaphore_limit(&permits, 6);
    assert_int_equal(granted.count, 9); /* and nobody is kept from what nobody else wants */
    for (unsigned i = 0; i < COUNT_OF(hanging); i++)
        semaphore_release(&permits, &hanging[i].permit);
    for (unsigned i = 0; i < COUNT_OF(well); i++)
        semaphore_release(&permits, &well[i].permit);
    assert_int_equal(permits.taken, 0);
    assert_null(permits.groups);
}

static void hold(void *arg)
{
    (void)arg;
}

/* One who cannot use the permit, as for lack of memory. */
struct quitter {
    struct semaphore *permits;
    struct permit permit;
    unsigned *granted;
};

static void quit(void *arg)
{
    struct quitter *quitter = arg;
    struct err err; /* as whoever finds out why it cannot begin */

    err_memory(&err);
    semaphore_release(quitter->permits, &quitter->permit);
    *quitter->granted += err.kind == ERR_LOCAL;
}

static void permits_that_are_given_back_at_once_pile_up_no_stack(void **state)
{
    enum { QUITTERS = 50000 };
    struct quitter *each = calloc(QUITTERS, sizeof *each);
    struct semaphore permits;
    struct permit first;
    unsigned granted = 0;
    struct err err;

    (void)state;
    semaphore_open(&permits, 1);
    each[0] = (struct quitter){&permits, {0}, &granted};
    assert_true(semaphore_acquire(&permits, 0, quit, &each[0], &each[0].permit, &err));
    assert_int_equal(granted, 1);
    assert_true(semaphore_acquire(&permits, 0, hold, NULL, &first, &err));
    for (size_t i = 0; i < QUITTERS; i++) {
        each[i] = (struct quitter){&permits, {0}, &granted};
        assert_true(semaphore_acquire(&permits, 0, quit, &each[i], &each[i].permit, &err));
    }
    semaphore_release(&permits, &first);
    assert_int_equal(granted, 1 + QUITTERS);
    assert_int_equal(permits.taken, 0);
    assert_null(permits.groups);
    free(each);
}

/* The groups that were looked at, a permit, while so many waited in line for 32 permits. */
static double steps_a_permit(unsigned applicants, uint32_t groups)
{
    struct applicant *each = calloc(applicants, sizeof *each);
    struct granted *granted = calloc(1, sizeof *granted);
    struct semaphore permits;

    semaphore_open(&permits, 32);
    for (unsigned i = 0; i < applicants; i++)
        apply(&permits, &each[i], i, i % groups, granted);
    for (unsigned i = 0; i < applicants; i++)
        semaphore_release(&permits, &each[granted->who[i]].permit);
    assert_int_equal(granted->count, applicants);
    assert_null(permits.groups);
    free(each);
    free(granted);
    return (double)permits.steps / applicants;
}

static void a_permit_costs_the_same_however_many_wait(void **state)
{
    (void)state;
    for (uint32_t groups = 1; groups <= 1000; groups *= 10) {
        double few = steps_a_permit(1000, groups), many = steps_a_permit(CROWD, groups);

        if (many > few * 1.1 || many > 3)
            fail_msg("%u groups: %.2f steps a permit of 10,000, %.2f of 1,000", groups, many, few);
    }
}

static void ring(void *arg, bool reached)
{
    struct heard *heard = arg;

    heard->times++;
    heard->err.errnum = reached;
}

static void an_alarm_rings_for_whichever_comes_first(void **state)
{
    struct heard *heard = *state;
    struct wall_timer timer = {0};
    struct err err;

    assert_true(wall_timer_open(&timer, heard->loop, ring, heard, &err));
    wall_timer_set(&timer, clock_now_s() + 1000, 1);
    turn(heard, UINT64_MAX);
    assert_int_equal(heard->err.errnum, false);
    heard->times = 0;
    wall_timer_set(&timer, clock_now_s() - 1, 1000000);
    turn(heard, UINT64_MAX);
    assert_int_equal(heard->err.errnum, true);
    heard->times = 0;
    wall_timer_set(&timer, clock_now_s() + 1000, 0);
    assert_int_equal(sd_event_run(heard->loop, 1000), 0);
    wall_timer_set(&timer, 0, 0);
    assert_int_equal(heard->times, 0);
    wall_timer_close(&timer);
}

int main(int argc, char **argv)
{
#define ASYNC_TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)
    const struct CMUnitTest tests[] = {
        ASYNC_TEST(a_job_ends_once_and_later),
        ASYNC_TEST(a_dropped_job_is_unheard_and_freed_whether_it_waits_or_runs),
        ASYNC_TEST(many_jobs_all_end),
        ASYNC_TEST(what_is_let_go_runs_before_the_pool_is_closed),
        ASYNC_TEST(a_disk_that_hangs_holds_only_its_own_jobs),
        ASYNC_TEST(a_pool_is_left_when_a_disk_hangs),
        ASYNC_TEST(a_command_runs_with_a_clean_environment),
        ASYNC_TEST(a_command_reads_what_it_is_given_and_one_beside_waits_for_no_permit),
        ASYNC_TEST(a_command_that_fails_tells_its_last_line),
        ASYNC_TEST(a_command_that_is_killed_says_so),
        ASYNC_TEST(a_command_over_its_time_is_killed_with_its_children),
        ASYNC_TEST(a_command_that_heeds_its_time_is_not_outlived_by_its_children),
        ASYNC_TEST(a_dropped_command_is_killed_and_reaped),
        ASYNC_TEST(what_a_command_left_behind_ends_with_it),
        ASYNC_TEST(what_others_started_does_not_end_with_a_command),
        ASYNC_TEST(a_program_that_is_not_there_fails),
        ASYNC_TEST(so_many_commands_run_at_once_as_the_cores_allow),
        ASYNC_TEST(commands_over_the_limit_wait_in_line),
        ASYNC_TEST(permits_are_granted_in_line_and_given_back),
        ASYNC_TEST(a_group_that_hangs_leaves_half_of_the_permits_to_the_others),
        ASYNC_TEST(permits_that_are_given_back_at_once_pile_up_no_stack),
        ASYNC_TEST(a_permit_costs_the_same_however_many_wait),
        ASYNC_TEST(an_alarm_rings_for_whichever_comes_first),
    };

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
