#include "install/set_claim.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "install/publish.h"
#include "install/set_directory.h"
#include "install/set_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TRIES = 5,
    MAPPED_BYTES = 1,      /* the kernel maps a whole page, which is never read */
    MAPPINGS_MOST = 32768, /* half of the default of vm.max_map_count */
    LEAVES_MS = 800,       /* the longest single wait for another section of this process */
    FILES_OF_ONE = 2       /* descriptors of a claim without a mapping */
};

static const char lock_name[] = "..lock";

struct set_claim {
    atomic_uint shares;
    dev_t device, lock_device; /* they differ on overlayfs */
    ino_t directory, lock;
    void *mapping;       /* of the lock; NULL: the descriptors hold it */
    int set_fd, lock_fd; /* -1 if the mapping holds the lock */
};

static atomic_uint mappings, kept_files;

/* -- taking the lock ------------------------------------------------------------------------------
 */

static int open_lock(int set_fd, int flags)
{
    return openat(set_fd, lock_name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
}

/* Whether only this user and root can open it. */
static bool is_closed(const struct stat *about, uid_t user)
{
    return S_ISREG(about->st_mode) && about->st_uid == user && (about->st_mode & 077) == 0;
}

/* Whether the lock is missing from a set that was published. */
static bool lacks_lock(int set_fd)
{
    struct stat about;

    return fstatat(set_fd, lock_name, &about, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT &&
           fstatat(set_fd, publish_data_name, &about, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether an agent works in the set by a lock that was removed, or by a lock on the directory. */
static bool is_kept_otherwise(int set_fd, int how, struct set_holder *ret_found)
{
    *ret_found = (struct set_holder){.pid = 0};
    if (lacks_lock(set_fd))
        *ret_found = set_holder_find_removed(set_fd);
    /* Any user who may read the directory can lock it, so only a lock of an agent counts. */
    if (ret_found->pid == 0 && flock(set_fd, how | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        *ret_found = set_holder_find(set_fd);
    return ret_found->pid != 0;
}

/*
 * Opens the lock file, and replaces one that cannot be opened or that others may open. Opens it
 * read-only: a file that is open for writing would prevent a read-only remount of its file system.
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
    return err_set(err, ERR_LOCAL, "another process keeps replacing %s", lock_name);
}

/* NFS grants an exclusive lock only on a file that is open for writing: flock(2). */
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
    struct set_holder found;

    if (is_kept_otherwise(set_fd, LOCK_EX, &found))
        return set_holder_refuse(path, &found, err);
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(close_fd) int fd = -1;

        if (!make_lock(set_fd, &fd, ret_about, err))
            return err_wrap(err, "%s", path);
        if (!lock_file(set_fd, &fd)) {
            if (errno != EWOULDBLOCK)
                return err_errno(err, ERR_LOCAL, errno, "cannot lock %s/%s", path, lock_name);
            found = set_holder_find(fd);
            /* A holder that is not found may have ended meanwhile. */
            if (found.pid == 0 && tries + 1 < TRIES)
                continue;
            return set_holder_refuse(path, &found, err);
        }
        /* The file may have been removed before it was locked. */
        if (is_in_place(set_fd, ret_about->st_dev, ret_about->st_ino)) {
            *ret_fd = take_fd(&fd);
            return true;
        }
    }
    return err_set(err, ERR_LOCAL, "another process keeps replacing %s/%s", path, lock_name);
}

/* -- holding the lock without a descriptor --------------------------------------------------------
 */

/* Passes the lock to a mapping, if the mapping holds it; else *lock_fd keeps the lock. */
static void map_lock(struct set_claim *claim, int set_fd, int *lock_fd)
{
    int again;

    if (atomic_fetch_add(&mappings, 1) < MAPPINGS_MOST)
        claim->mapping = mmap(NULL, MAPPED_BYTES, PROT_NONE, MAP_PRIVATE, *lock_fd,
                              set_holder_mark(claim->directory));
    if (claim->mapping == MAP_FAILED || claim->mapping == NULL) {
        claim->mapping = NULL;
        atomic_fetch_sub(&mappings, 1);
        return;
    }
    /* A forked child must not share the lock. */
    madvise(claim->mapping, MAPPED_BYTES, MADV_DONTFORK);
    close_fd(lock_fd);
    /* Tries whether the mapping holds the lock. The directory is still locked, so that no other
     * agent can take the lock if it is free. */
    again = open_lock(set_fd, O_RDONLY);
    if (again >= 0 && lock_file(set_fd, &again)) {
        munmap(claim->mapping, MAPPED_BYTES);
        claim->mapping = NULL;
        atomic_fetch_sub(&mappings, 1);
        *lock_fd = take_fd(&again);
    }
    close_fd(&again);
}

/* Raises the soft limit of open files to `wanted`, as far as the hard limit permits; returns the
 * limit. */
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

/* Sets at rest must not use up the descriptors that other work needs. A set beyond the limit fails
 * and says what to do. */
static bool keep_files(struct set_claim *claim, const char *path, int set_fd, int *lock_fd,
                       struct err *err)
{
    rlim_t needed = atomic_fetch_add(&kept_files, FILES_OF_ONE) + FILES_OF_ONE + SET_FILES_LEFT;
    rlim_t limit = allow_files(needed);

    claim->lock_fd = take_fd(lock_fd);
    if (needed > limit)
        return err_set(err, ERR_LOCAL,
                       "cannot keep the lock of %s: on its file system, such as overlayfs, it "
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

/* Whether an agent of the directory's owner works in a directory that this user may not use. Then
 * that is reported instead of the wrong owner. */
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

/* After a configuration that exchanges two directories, the other section gives up its set within a
 * moment. */
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

/* -- using the set --------------------------------------------------------------------------------
 */

static bool is_stale(struct err *err)
{
    err->errnum = ESTALE;
    return false;
}

/* Whether the open directory is the claimed one, and the lock is still in it. */
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
        return err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", path);
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
    struct set_holder found = {.pid = 0};
    struct stat set, lock;
    bool is_held = fd >= 0 && fstat(set_fd, &set) == 0 && fstat(fd, &lock) == 0 &&
                   (is_closed(&lock, geteuid()) || is_closed(&lock, set.st_uid)) &&
                   flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (is_held)
        found = set_holder_find(fd);
    else
        is_held = is_kept_otherwise(set_fd, LOCK_SH, &found);
    flock(set_fd, LOCK_UN);
    if (is_held)
        set_holder_refuse(path, &found, ret_who);
    return is_held;
}
