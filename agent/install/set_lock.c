#include "install/set_lock.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "base/trust_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is looked at to find a holder: /proc lists what anybody starts. */
enum { TRIES = 5, PROCESSES_MOST = 65536, AGENTS_MOST = 256, OPEN_FILES_MOST = 131072 };
enum { PROC_FILE_MOST_BYTES = 65536 };

static const char lock_name[] = "..lock";

/* -- who holds it ---------------------------------------------------------------------------------
 */

/*
 * /proc/locks is not read: the pid in it is of whoever took the lock, which may have ended and left
 * its number to any other process, and everybody can make the list as long as they like. What the
 * kernel tells of a process's own open files can be neither forged nor crowded out.
 */
struct search {
    struct stat locked;
    struct trust_process ours;
    size_t processes, agents, files; /* looked at so far */
    pid_t holder;                    /* has it open and locked; 0: none was seen */
    pid_t likely;                    /* the only agent that may not be looked into; 0: none */
    size_t closed;                   /* how many may not be */
};

static bool is_trusted(const struct search *search, uid_t user)
{
    return user == 0 || user == geteuid() || user == search->locked.st_uid;
}

/* Whether the process has our name, and a user who may work in the set. */
static bool is_agent(const struct search *search, int process_fd, pid_t pid,
                     struct trust_process *ret_process)
{
    CLEANUP(bytes_free) struct bytes name = {.limit = PROC_FILE_MOST_BYTES};
    struct err err;

    return file_read_at(process_fd, "comm", &name, &err) &&
           text_starts(bytes_text(&name), search->ours.name) != NULL &&
           trust_process_read(pid, ret_process) &&
           strcmp(ret_process->name, search->ours.name) == 0 &&
           is_trusted(search, ret_process->user);
}

/* Whether the lock is that of this open file of the process. */
static bool has_lock(int process_fd, const char *number)
{
    CLEANUP(bytes_free) struct bytes info = {.limit = PROC_FILE_MOST_BYTES};
    char path[32];
    struct err err;

    snprintf(path, sizeof path, "fdinfo/%.20s", number);
    return file_read_at(process_fd, path, &info, &err) &&
           strstr(bytes_text(&info), "\nlock:") != NULL &&
           strstr(bytes_text(&info), ": FLOCK ") != NULL;
}

/* Whether one of the process's open files has the lock; *ret_closed: they are not for us to see. */
static bool holds_lock(struct search *search, int process_fd, bool *ret_closed)
{
    CLEANUP(close_fd) int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(close_directory) DIR *files = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *file;
    struct stat about;

    *ret_closed = files == NULL && errno == EACCES;
    if (files == NULL)
        return false;
    (void)take_fd(&fd);
    while (search->files++ < OPEN_FILES_MOST && (file = readdir(files)) != NULL) {
        if (file->d_name[0] == '.')
            continue;
        if (fstatat(dirfd(files), file->d_name, &about, 0) != 0) {
            *ret_closed |= errno == EACCES;
        } else if (about.st_ino == search->locked.st_ino && about.st_dev == search->locked.st_dev &&
                   has_lock(process_fd, file->d_name)) {
            return true;
        }
    }
    return false;
}

/* Through its directory in /proc, which leads nowhere once the process has ended: whoever gets its
 * number then is not taken for it. */
static void look_into(struct search *search, int proc_fd, const char *number)
{
    CLEANUP(close_fd) int process_fd = -1;
    struct trust_process its;
    struct stat about;
    bool is_closed_to_us;
    uint64_t pid;

    /* The owner is the effective user, whatever the process lets others see: proc_pid(5). */
    if (!text_number(number, INT_MAX, &pid) || fstatat(proc_fd, number, &about, 0) != 0 ||
        !is_trusted(search, about.st_uid))
        return;
    process_fd = openat(proc_fd, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (process_fd < 0 || !is_agent(search, process_fd, (pid_t)pid, &its))
        return;
    search->agents++;
    if (holds_lock(search, process_fd, &is_closed_to_us)) {
        /* A set-user-id program has root's rights and what its caller opened, under any name. */
        if (trust_process_program(&its) == TRUST_PROGRAM_NAMED)
            search->holder = its.pid;
    } else if (is_closed_to_us && its.pid != getpid()) {
        search->likely = search->closed++ == 0 ? its.pid : 0;
    }
}

/* The agent that has a lock on the open file. */
static struct search find_holder(int fd)
{
    CLEANUP(close_directory) DIR *processes = opendir("/proc");
    struct search search = {.holder = 0};
    const struct dirent *process;

    if (processes == NULL || fstat(fd, &search.locked) != 0 ||
        !trust_process_read(getpid(), &search.ours))
        return search;
    while (search.holder == 0 && search.agents < AGENTS_MOST &&
           search.processes++ < PROCESSES_MOST && (process = readdir(processes)) != NULL)
        look_into(&search, dirfd(processes), process->d_name);
    return search;
}

static bool refuse(const char *path, const struct search *found, struct err *err)
{
    if (found->holder == getpid())
        err_set(err, ERR_LOCAL, "another leafd works in %s: this one, for another section", path);
    else if (found->holder > 0)
        err_set(err, ERR_LOCAL, "another leafd works in %s: process %d", path, (int)found->holder);
    else if (found->likely > 0)
        err_set(err, ERR_LOCAL,
                "another leafd works in %s: likely process %d, whose open files may not be looked "
                "at from here",
                path, (int)found->likely);
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
static bool is_closed(int fd, uid_t user)
{
    struct stat about;

    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == user &&
           (about.st_mode & 077) == 0;
}

/*
 * Opens the lock; what cannot be one gives way to one that is new. For reading alone: a file that
 * is open for writing would keep its file system from being remounted read-only.
 */
static bool make_lock(int set_fd, int *ret_fd, struct err *err)
{
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(close_fd) int fd = open_lock(set_fd, O_RDONLY | O_CREAT);

        if (fd >= 0 && is_closed(fd, geteuid())) {
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

/* NFS gives this lock only to those who may write: flock(2). */
static bool lock_file(int set_fd, int *fd)
{
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EBADF)
        return false;
    close_fd(fd);
    *fd = open_lock(set_fd, O_RDWR);
    return *fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0;
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
    struct search found;

    /* Anybody who may read the directory can lock it: only an agent that is seen with it counts. */
    if (flock(set_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        found = find_holder(set_fd);
        if (found.holder != 0)
            return refuse(path, &found, err);
    }
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(close_fd) int fd = -1;

        if (!make_lock(set_fd, &fd, err))
            return err_wrap(err, "%s", path);
        if (!lock_file(set_fd, &fd)) {
            if (errno != EWOULDBLOCK)
                return err_errno(err, ERR_LOCAL, errno, "cannot lock %s/%s", path, lock_name);
            found = find_holder(fd);
            return refuse(path, &found, err);
        }
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
    struct search found = {.holder = 0};
    struct stat set;
    bool is_held = fd >= 0 && fstat(set_fd, &set) == 0 &&
                   (is_closed(fd, geteuid()) || is_closed(fd, set.st_uid)) &&
                   flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    found = find_holder(is_held ? fd : set_fd);
    is_held |= found.holder != 0;
    if (is_held)
        refuse(path, &found, ret_who);
    return is_held;
}
