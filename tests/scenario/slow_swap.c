/*
 * slow_swap - a disk that takes its time behind the rename that publishes a set
 *
 * A library to preload. What watches the directory hears of the rename a second and a half before
 * the worker that made it is back from it. Where HOLD_SWAP names a directory, there is no such
 * pause; while `hold` exists there, the rename waits for its end, and `held` tells of that.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *held_by;

/* leafd takes its environment away as soon as it has read it. */
__attribute__((constructor)) static void read_environment(void)
{
    const char *given = getenv("HOLD_SWAP");

    held_by = given == NULL ? NULL : strdup(given);
}

static void wait_for_end(const char *directory)
{
    char hold[4096], held[4096];

    snprintf(hold, sizeof hold, "%s/hold", directory);
    snprintf(held, sizeof held, "%s/held", directory);
    if (access(hold, F_OK) == 0)
        close(open(held, O_CREAT | O_WRONLY, 0600));
    while (access(hold, F_OK) == 0)
        usleep(10000);
}

static void before(const char *to)
{
    if (held_by != NULL && strcmp(to, "..data") == 0)
        wait_for_end(held_by);
}

static int behind(const char *to, int r)
{
    if (held_by == NULL && strcmp(to, "..data") == 0)
        usleep(1500000);
    return r;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    static int (*real)(int, const char *, int, const char *);

    if (real == NULL)
        real = (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
    before(to);
    return behind(to, real(from_fd, from, to_fd, to));
}

/* Where the file system knows flags. */
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    static int (*real)(int, const char *, int, const char *, unsigned);

    if (real == NULL)
        real =
            (int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT, "renameat2");
    before(to);
    return behind(to, real(from_fd, from, to_fd, to, flags));
}
