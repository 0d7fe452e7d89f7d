/*
 * frozen_disk - a file system that answers no more, for one process
 *
 * A library to preload. While the file $FROZEN_WHILE exists, every call comes to rest that touches
 * $FROZEN or what lies below it, until the file is gone. What the process's first thread calls
 * there meanwhile is noted in $FROZEN_CALLS, one name a line. With $FROZEN_FROM_LOOP, the file is
 * made when the first thread makes its event loop.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAUSE_US = 20000 };

static char root[4096], flag[4096], calls[4096];
static int from_loop;

/* leafd does not keep its environment. */
__attribute__((constructor)) static void begin(void)
{
    const char *given;

    if ((given = getenv("FROZEN")) != NULL)
        snprintf(root, sizeof root, "%s", given);
    if ((given = getenv("FROZEN_WHILE")) != NULL)
        snprintf(flag, sizeof flag, "%s", given);
    if ((given = getenv("FROZEN_CALLS")) != NULL)
        snprintf(calls, sizeof calls, "%s", given);
    from_loop = getenv("FROZEN_FROM_LOOP") != NULL;
}

static int is_frozen(void)
{
    return flag[0] != '\0' && syscall(SYS_access, flag, F_OK) == 0;
}

static int starts(const char *path, const char *with)
{
    size_t length = strlen(with);

    return strncmp(path, with, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Whether the path, taken from there, leads to the disk; a link elsewhere is not followed. */
static int is_there(int fd, const char *path)
{
    char name[4096], link[64];
    long length;

    if (root[0] == '\0')
        return 0;
    if (path != NULL && path[0] == '/')
        return starts(path, root);
    if (fd < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, name, sizeof name - 1);
    if (length <= 0)
        return 0;
    name[length] = '\0';
    return starts(name, root);
}

static void note(const char *call)
{
    long fd;

    if (calls[0] == '\0' || syscall(SYS_gettid) != getpid())
        return;
    fd = syscall(SYS_openat, AT_FDCWD, calls, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    (void)!syscall(SYS_write, fd, call, strlen(call));
    (void)!syscall(SYS_write, fd, "\n", 1);
    syscall(SYS_close, fd);
}

static void rest(const char *call, int fd, const char *path)
{
    if (!is_frozen() || !is_there(fd, path))
        return;
    note(call);
    while (is_frozen())
        usleep(PAUSE_US);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define REST(result, name, parameters, fd, path, arguments)                                        \
    result name parameters                                                                         \
    {                                                                                              \
        rest(#name, fd, path);                                                                     \
        return NEXT(name) arguments;                                                               \
    }

REST(int, unlinkat, (int dir, const char *path, int flags), dir, path, (dir, path, flags))
REST(int, unlink, (const char *path), -1, path, (path))
REST(int, rmdir, (const char *path), -1, path, (path))
REST(int, mkdir, (const char *path, mode_t mode), -1, path, (path, mode))
REST(int, mkdirat, (int dir, const char *path, mode_t mode), dir, path, (dir, path, mode))
REST(int, rename, (const char *from, const char *to), -1, to, (from, to))
REST(int, renameat, (int a, const char *from, int b, const char *to), b, to, (a, from, b, to))
REST(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), b, to,
     (a, from, b, to, flags))
REST(int, symlink, (const char *to, const char *path), -1, path, (to, path))
REST(int, symlinkat, (const char *to, int dir, const char *path), dir, path, (to, dir, path))
REST(ssize_t, readlink, (const char *path, char *to, size_t size), -1, path, (path, to, size))
REST(ssize_t, readlinkat, (int dir, const char *path, char *to, size_t size), dir, path,
     (dir, path, to, size))
REST(int, access, (const char *path, int mode), -1, path, (path, mode))
REST(int, faccessat, (int dir, const char *path, int mode, int flags), dir, path,
     (dir, path, mode, flags))
REST(int, stat, (const char *path, struct stat *about), -1, path, (path, about))
REST(int, lstat, (const char *path, struct stat *about), -1, path, (path, about))
REST(int, fstat, (int fd, struct stat *about), fd, NULL, (fd, about))
REST(int, fstatat, (int dir, const char *path, struct stat *about, int flags), dir, path,
     (dir, path, about, flags))
REST(int, fsync, (int fd), fd, NULL, (fd))
REST(int, fdatasync, (int fd), fd, NULL, (fd))
REST(int, fchmod, (int fd, mode_t mode), fd, NULL, (fd, mode))
REST(int, fchown, (int fd, uid_t user, gid_t group), fd, NULL, (fd, user, group))
REST(int, flock, (int fd, int operation), fd, NULL, (fd, operation))
REST(int, close, (int fd), fd, NULL, (fd))
REST(DIR *, opendir, (const char *path), -1, path, (path))
REST(DIR *, fdopendir, (int fd), fd, NULL, (fd))
REST(struct dirent *, readdir, (DIR * directory), dirfd(directory), NULL, (directory))
REST(ssize_t, read, (int fd, void *to, size_t size), fd, NULL, (fd, to, size))
REST(ssize_t, write, (int fd, const void *from, size_t size), fd, NULL, (fd, from, size))
REST(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), -1, path, (fd, path, mask))

int epoll_create1(int flags)
{
    if (from_loop && syscall(SYS_gettid) == getpid())
        syscall(SYS_close,
                syscall(SYS_openat, AT_FDCWD, flag, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    return NEXT(epoll_create1)(flags);
}

static mode_t mode_of(int flags, va_list *arguments)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(*arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, &arguments);
    va_end(arguments);
    rest("open", -1, path);
    return NEXT(open)(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, &arguments);
    va_end(arguments);
    rest("openat", dir, path);
    return NEXT(openat)(dir, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    rest("fopen", -1, path);
    return NEXT(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    rest("fopen64", -1, path);
    return NEXT(fopen64)(path, mode);
}
