#include "install/set_holder.h"

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
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Limits of a search: any user can start processes. */
enum { PROCESSES_MOST = 65536, AGENTS_MOST = 256, OPEN_FILES_MOST = 131072 };
enum { PROC_FILE_MOST_BYTES = 65536 };

off_t set_holder_mark(ino_t directory)
{
    return (off_t)((uint64_t)(directory & 0xffffff) << 16);
}

/*
 * A search of /proc. It does not use /proc/locks: the pid there is of the process that took the
 * lock, which may have ended and whose number may have been reused, and any user can make the list
 * long. The kernel's list of a process's own open files and mappings cannot be forged or flooded by
 * other users.
 */
struct search {
    struct stat locked;  /* attributes of the lock file, or of the set's directory */
    uint64_t removed_of; /* set_holder_mark of the directory whose removed lock is searched for */
    bool is_removed;
    struct trust_process ours;
    size_t processes, agents, files; /* inspected so far */
    size_t closed;                   /* agents that may not be inspected */
    struct set_holder found;
};

static bool is_trusted(const struct search *search, uid_t user)
{
    return user == 0 || user == geteuid() || user == search->locked.st_uid;
}

/* Whether the process has our name and a user who may work in the set. */
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

/* Whether this descriptor of the process has an exclusive lock. A shared lock is only a test by
 * set_claim_has. */
static bool has_lock(int process_fd, const char *number)
{
    CLEANUP(bytes_free) struct bytes info = {.limit = PROC_FILE_MOST_BYTES};
    char path[32];
    struct err err;

    snprintf(path, sizeof path, "fdinfo/%.20s", number);
    return file_read_at(process_fd, path, &info, &err) &&
           strstr(bytes_text(&info), "\nlock:") != NULL &&
           strstr(bytes_text(&info), ": FLOCK ") != NULL &&
           strstr(bytes_text(&info), " WRITE ") != NULL;
}

/* Whether this line of /proc/PID/maps is a mapping of the lock file; only claims map it. */
static bool is_mapping_of(const struct search *search, const char *line)
{
    unsigned long long mark, inode;
    unsigned major, minor;
    bool is_removed = strstr(line, "/..lock (deleted)\n") != NULL;

    /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote these numbers */
    if (sscanf(line, "%*s ---%*c %llx %x:%x %llu", &mark, &major, &minor, &inode) != 4 ||
        makedev(major, minor) != search->locked.st_dev)
        return false;
    return search->is_removed ? is_removed && mark == search->removed_of
                              : inode == search->locked.st_ino;
}

static bool maps_lock(struct search *search, int process_fd, bool *ret_closed)
{
    CLEANUP(close_fd) int fd = openat(process_fd, "maps", O_RDONLY | O_CLOEXEC);
    CLEANUP(close_file) FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
    char line[PATH_MAX + 128];
    bool found = false;

    *ret_closed |= maps == NULL && errno == EACCES;
    if (maps == NULL)
        return false;
    (void)take_fd(&fd);
    while (!found && search->files++ < OPEN_FILES_MOST && fgets(line, sizeof line, maps) != NULL)
        found = is_mapping_of(search, line);
    return found;
}

/* Whether one of the process's descriptors has the lock. */
static bool opens_lock(struct search *search, int process_fd, bool *ret_closed)
{
    CLEANUP(close_directory) DIR *files = file_list_at(process_fd, "fd");
    const struct dirent *file;
    struct stat about;

    *ret_closed |= files == NULL && errno == EACCES;
    if (files == NULL)
        return false;
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

/* Whether the process has the lock. *ret_closed: it may not be inspected. */
static bool holds_lock(struct search *search, int process_fd, bool *ret_closed)
{
    *ret_closed = false;
    return maps_lock(search, process_fd, ret_closed) ||
           (!search->is_removed && opens_lock(search, process_fd, ret_closed));
}

/* Inspects a process through its /proc directory, which becomes invalid when the process ends: a
 * process that reuses the pid is not taken for it. */
static void look_into(struct search *search, int proc_fd, const char *number)
{
    CLEANUP(close_fd) int process_fd = -1;
    struct trust_process its;
    struct stat about;
    bool is_closed_to_us;
    uint64_t pid;

    /* The directory belongs to the effective user, also if the process is not dumpable. */
    if (!text_number(number, INT_MAX, &pid) || fstatat(proc_fd, number, &about, 0) != 0 ||
        !is_trusted(search, about.st_uid))
        return;
    process_fd = openat(proc_fd, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (process_fd < 0 || !is_agent(search, process_fd, (pid_t)pid, &its))
        return;
    search->agents++;
    if (holds_lock(search, process_fd, &is_closed_to_us)) {
        /* A set-user-id program has root's rights, its caller's open files, and any name. */
        if (trust_process_program(&its) == TRUST_PROGRAM_NAMED)
            search->found.pid = its.pid;
    } else if (is_closed_to_us && its.pid != getpid()) {
        search->found.likely = search->closed++ == 0 ? its.pid : 0;
    }
}

static void search_processes(struct search *search)
{
    CLEANUP(close_directory) DIR *processes = opendir("/proc");
    const struct dirent *process;

    if (processes == NULL || !trust_process_read(getpid(), &search->ours))
        return;
    while (search->found.pid == 0 && search->agents < AGENTS_MOST &&
           search->processes++ < PROCESSES_MOST && (process = readdir(processes)) != NULL)
        look_into(search, dirfd(processes), process->d_name);
}

struct set_holder set_holder_find(int fd)
{
    struct search search = {.is_removed = false};

    if (fstat(fd, &search.locked) == 0)
        search_processes(&search);
    return search.found;
}

struct set_holder set_holder_find_removed(int set_fd)
{
    struct search search = {.is_removed = true};

    if (fstat(set_fd, &search.locked) != 0)
        return search.found;
    search.removed_of = (uint64_t)set_holder_mark(search.locked.st_ino);
    search_processes(&search);
    if (search.found.pid == getpid())
        search.found.pid = 0;
    return search.found;
}

bool set_holder_refuse(const char *path, const struct set_holder *found, struct err *err)
{
    if (found->pid == getpid())
        err_set(err, ERR_LOCAL, "another leafd works in %s: this one, for another section", path);
    else if (found->pid > 0)
        err_set(err, ERR_LOCAL, "another leafd works in %s: process %d", path, (int)found->pid);
    else if (found->likely > 0)
        err_set(err, ERR_LOCAL,
                "another leafd works in %s: probably process %d, whose open files this process may "
                "not inspect",
                path, (int)found->likely);
    else
        err_set(err, ERR_LOCAL,
                "another leafd works in %s: a process that is not visible from here, such as one "
                "in another container",
                path);
    err->errnum = found->pid == getpid() ? EDEADLK : EWOULDBLOCK;
    return false;
}
