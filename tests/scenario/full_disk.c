/*
 * full_disk - a file system without space, for one process
 *
 * A library to preload. While the file $FULL_WHILE exists, nothing can be written to files below
 * $FULL.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[4096], flag[4096];

/* leafd does not keep its environment. */
__attribute__((constructor)) static void begin(void)
{
    const char *given;

    if ((given = getenv("FULL")) != NULL)
        snprintf(root, sizeof root, "%s/", given);
    if ((given = getenv("FULL_WHILE")) != NULL)
        snprintf(flag, sizeof flag, "%s", given);
}

static int is_full(int fd)
{
    char name[4096], link[64];
    ssize_t length;

    if (root[0] == '\0' || access(flag, F_OK) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, name, sizeof name - 1);
    if (length <= 0)
        return 0;
    name[length] = '\0';
    return strncmp(name, root, strlen(root)) == 0;
}

ssize_t write(int fd, const void *from, size_t size)
{
    if (is_full(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return ((__typeof__(&write))dlsym(RTLD_NEXT, "write"))(fd, from, size);
}
