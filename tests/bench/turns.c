/*
 * turns - how long a program's event loop stays away from its descriptors
 *
 * A library to preload. Counts how often the first thread went to sleep in epoll, and keeps the
 * longest time between two looks at its descriptors, in a file of three 64-bit numbers that
 * $BENCH_TURNS names and that the bench maps: longest turn, longest turn's share of the processor,
 * both in ns, and the sleeps. The bench sets them back to 0.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct turns {
    uint64_t longest_ns, longest_cpu_ns, sleeps;
};

static struct turns *turns;
static uint64_t woke_ns, woke_cpu_ns;

static uint64_t now_ns(clockid_t which)
{
    struct timespec now;

    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

__attribute__((constructor)) static void open_turns(void)
{
    const char *path = getenv("BENCH_TURNS");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *map;

    if (fd < 0)
        return;
    map = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    turns = map == MAP_FAILED ? NULL : map;
}

static int counts(void)
{
    return turns != NULL && gettid() == getpid();
}

static void look(int sleeps)
{
    uint64_t turn_ns = now_ns(CLOCK_MONOTONIC) - woke_ns;
    uint64_t turn_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - woke_cpu_ns;

    if (woke_ns != 0 && turn_ns > turns->longest_ns)
        turns->longest_ns = turn_ns;
    if (woke_ns != 0 && turn_cpu_ns > turns->longest_cpu_ns)
        turns->longest_cpu_ns = turn_cpu_ns;
    turns->sleeps += sleeps != 0;
}

static void wake(void)
{
    woke_ns = now_ns(CLOCK_MONOTONIC);
    woke_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms)
{
    static int (*real)(int, struct epoll_event *, int, int);
    int mine = counts(), r;

    if (real == NULL)
        real = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    if (mine)
        look(timeout_ms != 0);
    r = real(fd, events, most, timeout_ms);
    if (mine)
        wake();
    return r;
}

int epoll_pwait2(int fd, struct epoll_event *events, int most, const struct timespec *timeout,
                 const sigset_t *mask)
{
    static int (*real)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
    int mine = counts(), r;

    if (real == NULL)
        real = (int (*)(int, struct epoll_event *, int, const struct timespec *,
                        const sigset_t *))dlsym(RTLD_NEXT, "epoll_pwait2");
    if (mine)
        look(timeout == NULL || timeout->tv_sec != 0 || timeout->tv_nsec != 0);
    r = real(fd, events, most, timeout, mask);
    if (mine)
        wake();
    return r;
}
