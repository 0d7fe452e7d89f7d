/*
 * no_inotify - a machine on which this user has no inotify instance left, for one process
 *
 * A library to preload. 128 a user are the kernel's default (inotify(7)), and the containers of one
 * node that run as one user share them.
 */
#include <errno.h>
#include <sys/inotify.h>

int inotify_init1(int flags)
{
    (void)flags;
    errno = EMFILE;
    return -1;
}
