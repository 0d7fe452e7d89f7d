#include "install/set_lock.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "base/trust_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { TRIES = 5, LINE_BYTES = 256 };

static const char lock_name[] = "..lock";

/* -- who holds it ---------------------------------------------------------------------------------
 */

/* The number may be another process's by now, if the one that took the lock left it to a child: so
 * its name counts as well. */
static bool is_agent(pid_t pid, uid_t owner)
{
    struct trust_process its, ours;

    return trust_process_read(pid, &its) && trust_process_read(getpid(), &ours) &&
           strcmp(its.name, ours.name) == 0 &&
           (its.user == 0 || its.user == geteuid() || its.user == owner);
}

/* A line of /proc/locks, proc_locks(5): "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF". */
static bool read_lock(char *line, pid_t *ret_pid, dev_t *ret_device, ino_t *ret_inode)
{
    enum { KIND = 1, PID = 4, FILE_ID = 5, FIELDS = 6 };
    char *fields[FIELDS], *rest = line, *end;
    unsigned long major_number, minor_number;
    uint64_t pid, inode;

    for (size_t i = 0; i < FIELDS; i++) {
        fields[i] = strtok_r(rest, " ", &rest);
        if (fields[i] == NULL)
            return false;
    }
    if (strcmp(fields[KIND], "FLOCK") != 0 || !text_number(fields[PID], INT_MAX, &pid))
        return false;
    major_number = strtoul(fields[FILE_ID], &end, 16);
    minor_number = *end == ':' ? strtoul(end + 1, &end, 16) : 0;
    if (*end != ':' || !text_number(end + 1, UINT64_MAX, &inode))
        return false;
    *ret_pid = (pid_t)pid;
    *ret_device = makedev((unsigned)major_number, (unsigned)minor_number);
    *ret_inode = (ino_t)inode;
    return true;
}

/* The process that has a lock on the open file; 0 if none is seen. */
static pid_t find_holder(int fd, bool only_agents)
{
    CLEANUP(close_file) FILE *locks = fopen("/proc/locks", "re");
    char line[LINE_BYTES];
    struct stat about;

    if (locks == NULL || fstat(fd, &about) != 0)
        return 0;
    while (fgets(line, sizeof line, locks) != NULL) {
        dev_t device;
        ino_t inode;
        pid_t pid;

        if (read_lock(line, &pid, &device, &inode) && pid > 0 && inode == about.st_ino &&
            device == about.st_dev && (!only_agents || is_agent(pid, about.st_uid)))
            return pid;
    }
    return 0;
}

static bool refuse(const char *path, pid_t holder, struct err *err)
{
    if (holder == getpid())
        err_set(err, ERR_LOCAL, "another leafd works in %s: this one, for another section", path);
    else if (holder > 0)
        err_set(err, ERR_LOCAL, "another leafd works in %s: process %d", path, (int)holder);
    else
        err_set(err, ERR_LOCAL,
                "another leafd works in %s: a process that cannot be seen from here, as one of "
                "another container",
                path);
    err->errnum = EWOULDBLOCK;
    return false;
}

/* -- taking it ------------------------------------------------------------------------------------
 */

static int open_lock(int set_fd, int flags)
{
    return openat(set_fd, lock_name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
}

/* Whether nobody but this user and root can open it. */
static bool is_closed(int fd)
{
    struct stat about;

    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == geteuid() &&
           (about.st_mode & 077) == 0;
}

/* Opens the lock; what cannot be one gives way to one that is new. */
static bool make_lock(int set_fd, int *ret_fd, struct err *err)
{
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(close_fd) int fd = open_lock(set_fd, O_RDWR | O_CREAT);

        if (fd >= 0 && is_closed(fd)) {
            *ret_fd = take_fd(&fd);
            return true;
        }
        if (fd < 0 && errno != ELOOP && errno != EISDIR && errno != EACCES && errno != ENXIO)
            return err_errno(err, ERR_LOCAL, errno, "cannot open %s", lock_name);
        if (!file_make_way(set_fd, lock_name, err))
            return false;
    }
    return err_set(err, ERR_LOCAL, "%s is replaced again and again", lock_name);
}

static bool is_same(int set_fd, int lock_fd)
{
    struct stat held, named;

    return fstat(lock_fd, &held) == 0 &&
           fstatat(set_fd, lock_name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

bool set_lock_take(int set_fd, const char *path, int *ret_fd, struct err *err)
{
    /* Where the directory cannot be locked, the file in it can; and whoever else has locked it is
     * nobody to wait for. */
    if (flock(set_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        pid_t agent = find_holder(set_fd, true);

        if (agent != 0)
            return refuse(path, agent, err);
    }
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(close_fd) int fd = -1;

        if (!make_lock(set_fd, &fd, err))
            return err_wrap(err, "%s", path);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            return errno == EWOULDBLOCK
                       ? refuse(path, find_holder(fd, false), err)
                       : err_errno(err, ERR_LOCAL, errno, "cannot lock %s/%s", path, lock_name);
        /* It may have been removed between the two. */
        if (is_same(set_fd, fd)) {
            *ret_fd = take_fd(&fd);
            return true;
        }
    }
    return err_set(err, ERR_LOCAL, "%s/%s is replaced again and again", path, lock_name);
}

bool set_lock_stands(int set_fd, const char *path, int lock_fd, struct err *err)
{
    return is_same(set_fd, lock_fd) ||
           err_set(err, ERR_LOCAL, "%s/%s was removed or replaced", path, lock_name);
}

bool set_lock_is_held(int set_fd, const char *path, struct err *ret_who)
{
    CLEANUP(close_fd) int fd = open_lock(set_fd, O_RDONLY);
    pid_t agent = find_holder(set_fd, true);
    bool is_held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (is_held || agent != 0)
        refuse(path, agent != 0 ? agent : find_holder(fd, false), ret_who);
    return is_held || agent != 0;
}
