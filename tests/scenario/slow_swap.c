/*
 * slow_swap - a disk that takes its time behind the rename that publishes a set
 *
 * A library to preload. What watches the directory hears of the rename a second and a half before
 * the worker that made it is back from it.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    static int (*real)(int, const char *, int, const char *);
    int r;

    if (real == NULL)
        real = (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
    r = real(from_fd, from, to_fd, to);
    if (strcmp(to, "..data") == 0)
        usleep(1500000);
    return r;
}
