/*
 * slow_mkdir - a disk that takes its time behind the making of a directory
 *
 * A library to preload. Who may write the directory above has a tenth of a second to exchange what
 * was made before leafd does anything with it.
 */
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAUSE_US = 100000 };

int mkdir(const char *path, mode_t mode)
{
    static int (*real)(const char *, mode_t);
    int r;

    if (real == NULL)
        real = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    r = real(path, mode);
    usleep(PAUSE_US);
    return r;
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    static int (*real)(int, const char *, mode_t);
    int r;

    if (real == NULL)
        real = (int (*)(int, const char *, mode_t))dlsym(RTLD_NEXT, "mkdirat");
    r = real(dir_fd, path, mode);
    usleep(PAUSE_US);
    return r;
}
