#include "base/reaper.h"

#include "base/child.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The limit of orphans in one iteration of the loop, so that a flood of them does not block it. */
enum { REAPED_A_TURN = 256, AGAIN_US = 50000 };

struct reaper {
    sd_event_source *signalled, *again;
    int fd;
};

static void plan_again(struct reaper *reaper)
{
    sd_event_source_set_time_relative(reaper->again, AGAIN_US);
    sd_event_source_set_enabled(reaper->again, SD_EVENT_ONESHOT);
}

/*
 * The kernel shows the first child that has ended. If that is a keeper, its watcher reaps it in
 * this iteration of the loop or the next, and the other children are seen then.
 */
static void reap(struct reaper *reaper)
{
    for (unsigned i = 0; i < REAPED_A_TURN; i++) {
        siginfo_t who = {0};

        if (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) != 0 || who.si_pid == 0)
            return;
        if (child_is_watched(who.si_pid))
            break;
        waitid(P_PID, (id_t)who.si_pid, &who, WEXITED | WNOHANG);
    }
    plan_again(reaper);
}

static int on_signalled(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct signalfd_siginfo info;

    (void)source;
    (void)events;
    (void)!read(fd, &info, sizeof info);
    reap(arg);
    return 0;
}

static int on_again(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    reap(arg);
    return 0;
}

static bool is_wanted(void)
{
    int is_subreaper = 0;

    return getpid() == 1 ||
           (prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper, 0, 0, 0) == 0 && is_subreaper != 0);
}

bool reaper_open(sd_event *loop, struct reaper **ret_reaper, struct err *err)
{
    struct reaper *reaper;
    sigset_t ended;
    int r;

    *ret_reaper = NULL;
    if (!is_wanted())
        return true;
    reaper = calloc(1, sizeof *reaper);
    if (reaper == NULL)
        return err_memory(err);
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    reaper->fd = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    r = reaper->fd < 0
            ? -errno
            : sd_event_add_io(loop, &reaper->signalled, reaper->fd, EPOLLIN, on_signalled, reaper);
    if (r >= 0)
        r = sd_event_add_time_relative(loop, &reaper->again, CLOCK_BOOTTIME, 0, 0, on_again,
                                       reaper);
    if (r < 0) {
        reaper_close(reaper);
        return err_errno(err, ERR_LOCAL, -r, "cannot set up the reaping of orphans");
    }
    sd_event_source_set_description(reaper->signalled, "orphans");
    *ret_reaper = reaper;
    return true;
}

void reaper_close(struct reaper *reaper)
{
    if (reaper == NULL)
        return;
    sd_event_source_disable_unref(reaper->signalled);
    sd_event_source_disable_unref(reaper->again);
    if (reaper->fd >= 0)
        close(reaper->fd);
    free(reaper);
}
