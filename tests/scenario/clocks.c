/*
 * clocks - a machine whose clock can be set, for one process
 *
 * A library to preload. The wall clock is the kernel's plus the nanoseconds in the page that
 * CLOCK_PAGE names; boot clock, timers and waits stay as they are, as they do when somebody sets a
 * machine's clock. (libfaketime takes every absolute timer for one of the wall clock, and moves
 * those of the boot clock as well: before zero, or out of sight.)
 *
 * The kernel gives notice of such a step through a timerfd with TFD_TIMER_CANCEL_ON_SET. In its
 * place stands the FIFO that CLOCK_NOTICE names: a byte in it is a notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL

static _Atomic int64_t *offset_ns;
static atomic_int notice = -1;
static const char *notice_path;

__attribute__((constructor)) static void map_page(void)
{
    const char *path = getenv("CLOCK_PAGE");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        abort();
    close(fd);
    offset_ns = page;
    /* By the time it is needed the program may have cleared its environment. */
    notice_path = getenv("CLOCK_NOTICE");
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int64_t moment_ns;

    if (syscall(SYS_clock_gettime, id, now) != 0)
        return -1;
    if ((id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) || offset_ns == NULL)
        return 0;
    moment_ns = now->tv_sec * SECOND_NS + now->tv_nsec + *offset_ns;
    now->tv_sec = moment_ns / SECOND_NS;
    now->tv_nsec = moment_ns % SECOND_NS;
    return 0;
}

time_t time(time_t *ret_now)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now != NULL)
        *ret_now = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *ret_now, void *zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_now = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

int timerfd_create(clockid_t id, int flags)
{
    if (id != CLOCK_REALTIME || notice_path == NULL)
        return (int)syscall(SYS_timerfd_create, id, flags);
    notice = open(notice_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return notice;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *before)
{
    if (fd == notice)
        return 0;
    return (int)syscall(SYS_timerfd_settime, fd, flags, when, before);
}

ssize_t read(int fd, void *to, size_t size)
{
    ssize_t got = syscall(SYS_read, fd, to, size);

    if (fd != notice || got <= 0)
        return got;
    errno = ECANCELED;
    return -1;
}
