#include "install/set_claim.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "base/trust_process.h"
#include "install/publish.h"
#include "install/set_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What is looked at to find a holder: /proc lists what anybody starts. */
enum { TRIES = 5, PROCESSES_MOST = 65536, AGENTS_MOST = 256, OPEN_FILES_MOST = 131072 };
enum { PROC_FILE_MOST_BYTES = 65536 };

enum {
    MAPPED_BYTES = 1,      /* the kernel makes a page of it; nothing is ever read from it */
    MAPPINGS_MOST = 32768, /* half of what a process may have by default: vm.max_map_count */
    LEAVES_MS = 800,       /* the longest single wait for a section of ours to leave */
    FILES_OF_ONE = 2       /* descriptors of a claim that no mapping keeps */
};

static const char lock_name[] = "..lock";

struct set_claim {
    atomic_uint shares;
    dev_t device, lock_device; /* which differ on overlayfs */
    ino_t directory, lock;
    void *mapping;       /* of the lock; NULL: the descriptors keep it */
    int set_fd, lock_fd; /* -1 where the mapping keeps it */
};

static atomic_uint mappings, kept_files;

/*
 * Where a mapping of the lock begins in the file tells in which directory it is, also after
 * somebody removed the lock. A file can be mapped beyond its end. The offset is a multiple of the
 * largest page size, and within a terabyte, which any file system takes.
 */
static uint64_t mark_of(ino_t directory)
{
    return (uint64_t)(directory & 0xffffff) << 16;
}

/* -- who holds it ---------------------------------------------------------------------------------
 */

/*
 * /proc/locks is not read: the pid in it is of whoever took the lock, which may have ended and left
 * its number to any other process, and everybody can make the list as long as they like. What the
 * kernel tells of a process's own open files and mappings can be neither forged nor crowded out.
 */
struct search {
    struct stat locked;  /* the lock, or the set's directory */
    uint64_t removed_of; /* mark_of that directory, where a removed lock is searched for */
    bool is_removed;
    struct trust_process ours;
    size_t processes, agents, files; /* looked at so far */
    pid_t holder;                    /* has it open and locked, or mapped; 0: none was seen */
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

/* Whether the lock is that of this open file of the process. A shared one is nobody's who works in
 * the set: set_claim_has tries one. */
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

/* Whether this line of /proc/PID/maps shows the lock, of which only a claim makes a mapping. */
static bool is_mapping_of(const struct search *search, const char *line)
{
    unsigned long long mark, inode;
    unsigned major, minor;
    bool is_removed = strstr(line, "/..lock (deleted)\n") != NULL;

    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
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

/* Whether one of the process's open files has the lock. */
static bool opens_lock(struct search *search, int process_fd, bool *ret_closed)
{
    CLEANUP(close_fd) int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(close_directory) DIR *files = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *file;
    struct stat about;

    *ret_closed |= files == NULL && errno == EACCES;
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

/* Whether the process has the lock; *ret_closed: that is not for us to see. */
static bool holds_lock(struct search *search, int process_fd, bool *ret_closed)
{
    *ret_closed = false;
    return maps_lock(search, process_fd, ret_closed) ||
           (!search->is_removed && opens_lock(search, process_fd, ret_closed));
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

static void search_processes(struct search *search)
{
    CLEANUP(close_directory) DIR *processes = opendir("/proc");
    const struct dirent *process;

    if (processes == NULL || !trust_process_read(getpid(), &search->ours))
        return;
    while (search->holder == 0 && search->agents < AGENTS_MOST &&
           search->processes++ < PROCESSES_MOST && (process = readdir(processes)) != NULL)
        look_into(search, dirfd(processes), process->d_name);
}

/* The agent that has a lock on the open file, which is locked. */
static struct search find_holder(int fd)
{
    struct search search = {.holder = 0};

    if (fstat(fd, &search.locked) == 0)
        search_processes(&search);
    return search;
}

/* The other agent that claimed the set by a lock which was removed since. */
static struct search find_removed(int set_fd)
{
    struct search search = {.is_removed = true};

    if (fstat(set_fd, &search.locked) != 0)
        return search;
    search.removed_of = mark_of(search.locked.st_ino);
    search_processes(&search);
    if (search.holder == getpid())
        search.holder = 0;
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
    err->errnum = found->holder == getpid() ? EDEADLK : EWOULDBLOCK;
    return false;
}

/* -- taking it ------------------------------------------------------------------------------------
 */

static int open_lock(int set_fd, int flags)
{
    return openat(set_fd, lock_name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
}

/* Whether nobody but this user and root can open it. */
static bool is_closed(const struct stat *about, uid_t user)
{
    return S_ISREG(about->st_mode) && about->st_uid == user && (about->st_mode & 077) == 0;
}

/* Whether there is no lock, though the set has been used. */
static bool lacks_lock(int set_fd)
{
    struct stat about;

    return fstatat(set_fd, lock_name, &about, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT &&
           fstatat(set_fd, publish_data_name, &about, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether an agent works there although nothing is locked that only an agent could lock. */
static bool is_kept_otherwise(int set_fd, int how, struct search *ret_found)
{
    *ret_found = (struct search){.holder = 0};
    if (lacks_lock(set_fd))
        *ret_found = find_removed(set_fd);
    /* Anybody who may read the directory can lock it: only an agent that is seen with it counts. */
    if (ret_found->holder == 0 && flock(set_fd, how | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        *ret_found = find_holder(set_fd);
    return ret_found->holder != 0;
}

/*
 * Opens the lock; what cannot be one gives way to one that is new. For reading alone: a file that
 * is open for writing would keep its file system from being remounted read-only.
 */
static bool make_lock(int set_fd, int *ret_fd, struct stat *ret_about, struct err *err)
{
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(close_fd) int fd = open_lock(set_fd, O_RDONLY | O_CREAT);

        if (fd >= 0 && fstat(fd, ret_about) == 0 && is_closed(ret_about, geteuid())) {
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

static bool is_in_place(int set_fd, dev_t device, ino_t lock)
{
    struct stat named;

    return fstatat(set_fd, lock_name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == device &&
           named.st_ino == lock;
}

static bool take_lock(int set_fd, const char *path, int *ret_fd, struct stat *ret_about,
                      struct err *err)
{
    struct search found;

    if (is_kept_otherwise(set_fd, LOCK_EX, &found))
        return refuse(path, &found, err);
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(close_fd) int fd = -1;

        if (!make_lock(set_fd, &fd, ret_about, err))
            return err_wrap(err, "%s", path);
        if (!lock_file(set_fd, &fd)) {
            if (errno != EWOULDBLOCK)
                return err_errno(err, ERR_LOCAL, errno, "cannot lock %s/%s", path, lock_name);
            found = find_holder(fd);
            /* Whoever cannot be seen may have gone between the two. */
            if (found.holder == 0 && tries + 1 < TRIES)
                continue;
            return refuse(path, &found, err);
        }
        /* It may have been removed between the two. */
        if (is_in_place(set_fd, ret_about->st_dev, ret_about->st_ino)) {
            *ret_fd = take_fd(&fd);
            return true;
        }
    }
    return err_set(err, ERR_LOCAL, "%s/%s is replaced again and again", path, lock_name);
}

/* -- keeping it without a descriptor --------------------------------------------------------------
 */

/* Leaves the lock to a mapping, if that holds it. Else *lock_fd has the lock. */
static void map_lock(struct set_claim *claim, int set_fd, int *lock_fd)
{
    int again;

    if (atomic_fetch_add(&mappings, 1) < MAPPINGS_MOST)
        claim->mapping = mmap(NULL, MAPPED_BYTES, PROT_NONE, MAP_PRIVATE, *lock_fd,
                              (off_t)mark_of(claim->directory));
    if (claim->mapping == MAP_FAILED || claim->mapping == NULL) {
        claim->mapping = NULL;
        atomic_fetch_sub(&mappings, 1);
        return;
    }
    /* A child that is forked has no part in it. */
    madvise(claim->mapping, MAPPED_BYTES, MADV_DONTFORK);
    close_fd(lock_fd);
    /* The directory is locked meanwhile, so that no other agent gets the lock if it is free now. */
    again = open_lock(set_fd, O_RDONLY);
    if (again >= 0 && lock_file(set_fd, &again)) {
        munmap(claim->mapping, MAPPED_BYTES);
        claim->mapping = NULL;
        atomic_fetch_sub(&mappings, 1);
        *lock_fd = take_fd(&again);
    }
    close_fd(&again);
}

/* The limit of open files, raised to so many as far as it may be. */
static rlim_t allow_files(rlim_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return RLIM_INFINITY;
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

/* The descriptors that other work needs are not used up by sets at rest: those that can be kept go
 * on, and the others tell what to do. */
static bool keep_files(struct set_claim *claim, const char *path, int set_fd, int *lock_fd,
                       struct err *err)
{
    rlim_t needed = atomic_fetch_add(&kept_files, FILES_OF_ONE) + FILES_OF_ONE + SET_FILES_LEFT;
    rlim_t limit = allow_files(needed);

    claim->lock_fd = take_fd(lock_fd);
    if (needed > limit)
        return err_set(err, ERR_LOCAL,
                       "%s cannot be kept: on its file system, such as overlayfs, a set at rest "
                       "takes %d open files, and the limit of open files is %llu; put the sets on "
                       "a volume, or raise LimitNOFILE= of the unit, ulimit -n or the container's "
                       "nofile to %llu or more",
                       path, FILES_OF_ONE, (unsigned long long)limit, (unsigned long long)needed);
    claim->set_fd = fcntl(set_fd, F_DUPFD_CLOEXEC, 3);
    return claim->set_fd >= 0 || err_errno(err, ERR_LOCAL, errno, "cannot duplicate a descriptor");
}

static bool keep(struct set_claim *claim, const char *path, int set_fd, int *lock_fd,
                 struct err *err)
{
    map_lock(claim, set_fd, lock_fd);
    if (claim->mapping == NULL)
        return keep_files(claim, path, set_fd, lock_fd, err);
    flock(set_fd, LOCK_UN);
    return true;
}

static struct set_claim *new_claim(const struct stat *set, const struct stat *lock)
{
    struct set_claim *claim = calloc(1, sizeof *claim);

    if (claim == NULL)
        return NULL;
    *claim = (struct set_claim){.device = set->st_dev,
                                .lock_device = lock->st_dev,
                                .directory = set->st_ino,
                                .lock = lock->st_ino,
                                .set_fd = -1,
                                .lock_fd = -1};
    atomic_init(&claim->shares, 1);
    return claim;
}

/* Whether the agent of the directory's own owner works in a directory that is not ours to work in:
 * then nobody has to be told whose it is. */
static bool is_owners(const char *path, struct err *ret_who)
{
    CLEANUP(close_fd) int fd = -1;
    struct err err;

    return set_directory_look(path, &fd, &err) && set_directory_is_private(path, fd, &err) &&
           set_claim_has(fd, path, ret_who);
}

static bool claim_once(const char *path, mode_t mode, struct set_claim **ret_claim, int *ret_fd,
                       struct err *err)
{
    CLEANUP(close_fd) int set_fd = -1;
    CLEANUP(close_fd) int lock_fd = -1;
    struct stat set, lock = {0};
    struct set_claim *claim;
    struct err who;

    if (!set_directory_open(path, mode, &set_fd, &set, err)) {
        if (is_owners(path, &who))
            *err = who;
        return false;
    }
    if (!take_lock(set_fd, path, &lock_fd, &lock, err))
        return false;
    claim = new_claim(&set, &lock);
    if (claim == NULL)
        return err_memory(err);
    if (!keep(claim, path, set_fd, &lock_fd, err)) {
        set_claim_drop(claim);
        return false;
    }
    *ret_claim = claim;
    *ret_fd = take_fd(&set_fd);
    return true;
}

/* Of two that change places by a new configuration, the other one leaves within a moment. */
bool set_claim_take(const char *path, mode_t mode, struct set_claim **ret_claim, int *ret_fd,
                    struct err *err)
{
    for (unsigned ms = 10; !claim_once(path, mode, ret_claim, ret_fd, err); ms *= 2) {
        if (err->errnum != EDEADLK || ms > LEAVES_MS)
            return false;
        usleep(ms * 1000);
    }
    return true;
}

struct set_claim *set_claim_share(struct set_claim *claim)
{
    if (claim != NULL)
        atomic_fetch_add(&claim->shares, 1);
    return claim;
}

struct set_claim *set_claim_drop(struct set_claim *claim)
{
    if (claim == NULL || atomic_fetch_sub(&claim->shares, 1) > 1)
        return NULL;
    if (claim->mapping != NULL) {
        munmap(claim->mapping, MAPPED_BYTES);
        atomic_fetch_sub(&mappings, 1);
    } else {
        atomic_fetch_sub(&kept_files, FILES_OF_ONE);
    }
    close_fd(&claim->lock_fd);
    close_fd(&claim->set_fd);
    free(claim);
    return NULL;
}

/* -- working in it --------------------------------------------------------------------------------
 */

static bool is_stale(struct err *err)
{
    err->errnum = ESTALE;
    return false;
}

/* Whether the open directory is the one that was claimed, and the claim still keeps others out. */
static bool stands(const struct set_claim *claim, const char *path, int set_fd,
                   const struct stat *about, struct err *err)
{
    if (about->st_dev != claim->device || about->st_ino != claim->directory) {
        err_set(err, ERR_LOCAL, "%s was replaced by another directory", path);
        return is_stale(err);
    }
    if (is_in_place(set_fd, claim->lock_device, claim->lock))
        return true;
    err_set(err, ERR_LOCAL, "%s/%s was removed or replaced", path, lock_name);
    return is_stale(err);
}

bool set_claim_open(const struct set_claim *claim, const char *path, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat about;

    if (!set_directory_look(path, &fd, err))
        return err->errnum == ENOENT || err->errnum == 0 ? is_stale(err) : false;
    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at %s", path);
    if (!stands(claim, path, fd, &about, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

bool set_claim_open_judged(const struct set_claim *claim, const char *path, int *ret_fd,
                           struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat about;

    if (!set_directory_visit(path, &fd, &about, err)) {
        if (err->errnum == ENOENT)
            (void)is_stale(err);
        return false;
    }
    if (!stands(claim, path, fd, &about, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

bool set_claim_has(int set_fd, const char *path, struct err *ret_who)
{
    CLEANUP(close_fd) int fd = open_lock(set_fd, O_RDONLY);
    struct search found = {.holder = 0};
    struct stat set, lock;
    bool is_held = fd >= 0 && fstat(set_fd, &set) == 0 && fstat(fd, &lock) == 0 &&
                   (is_closed(&lock, geteuid()) || is_closed(&lock, set.st_uid)) &&
                   flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (is_held)
        found = find_holder(fd);
    else
        is_held = is_kept_otherwise(set_fd, LOCK_SH, &found);
    flock(set_fd, LOCK_UN);
    if (is_held)
        refuse(path, &found, ret_who);
    return is_held;
}
