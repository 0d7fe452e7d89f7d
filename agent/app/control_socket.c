#include "app/control_socket.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/environment.h"
#include "base/trust.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    STEM_BYTES = 33, /* of the part that comes from the configuration's name */
    DIGEST_SHOWN = 12,
    QUEUE = 128
};

/* -- where it is ----------------------------------------------------------------------------------
 */

/* The working directory as the shell names it, by the links that led there, if that is true. */
static bool working_directory(char to[static PATH_MAX])
{
    const char *named = environment_get("PWD");
    struct stat here, there;

    if (named != NULL && named[0] == '/' && strlen(named) < PATH_MAX && stat(".", &here) == 0 &&
        stat(named, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
        snprintf(to, PATH_MAX, "%s", named);
        return true;
    }
    return getcwd(to, PATH_MAX) != NULL;
}

/* Appends a path's components to `to`, as the shell's cd does it: ".." takes the last one back. */
static bool add_components(const char *path, char to[static PATH_MAX])
{
    size_t length = strlen(to);

    for (size_t part; *path != '\0'; path += part) {
        path += strspn(path, "/");
        part = strcspn(path, "/");
        if (part == 0 || (part == 1 && path[0] == '.'))
            continue;
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            while (length > 0 && to[--length] != '/')
                ;
            to[length] = '\0';
            continue;
        }
        if (length + part + 2 > PATH_MAX)
            return false;
        length += (size_t)snprintf(to + length, PATH_MAX - length, "/%.*s", (int)part, path);
    }
    return true;
}

/* The path that LEAFD_CONTROL_SOCKET names; NULL: it is not set. */
static const char *given_path(void)
{
    const char *given = environment_get("LEAFD_CONTROL_SOCKET");

    return given == NULL || given[0] == '\0' ? NULL : given;
}

static bool take_given_name(const char *given, char to[static CONTROL_NAME_BYTES], struct err *err)
{
    const char *slash = strrchr(given, '/'), *base = slash == NULL ? "" : slash + 1;

    if (given[0] != '/' || base[0] == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0 ||
        strlen(base) >= CONTROL_NAME_BYTES || strlen(given) >= PATH_MAX)
        return err_set(err, ERR_LOCAL,
                       "LEAFD_CONTROL_SOCKET must be an absolute path, with a name of at most %d "
                       "bytes",
                       CONTROL_NAME_BYTES - 1);
    snprintf(to, CONTROL_NAME_BYTES, "%s", base);
    return true;
}

bool control_socket_name(const char *file, char to[static CONTROL_NAME_BYTES], struct err *err)
{
    const char *slash = strrchr(file, '/'), *base = slash == NULL ? file : slash + 1;
    char here[PATH_MAX], path[PATH_MAX] = "", hex[DIGEST_HEX_BYTES], stem[STEM_BYTES];
    CLEANUP(digest_drop) struct digest digest = {0};

    if (given_path() != NULL)
        return take_given_name(given_path(), to, err);
    if (file[0] != '/' && !working_directory(here))
        return err_errno(err, ERR_LOCAL, errno, "cannot find out the working directory");
    if ((file[0] != '/' && !add_components(here, path)) || !add_components(file, path))
        return err_set(err, ERR_LOCAL, "the path %s is too long", file);
    digest_add(&digest, path, strlen(path));
    if (!digest_hex(&digest, hex, err))
        return false;
    snprintf(stem, sizeof stem, "%.*s", (int)strcspn(base, "."), base);
    for (char *at = stem; *at != '\0'; at++)
        *at = isalnum((unsigned char)*at) ? *at : '_';
    snprintf(to, CONTROL_NAME_BYTES, "%s-%.*s.sock", stem, DIGEST_SHOWN, hex);
    return true;
}

bool control_socket_folder(char to[static PATH_MAX])
{
    const char *given = environment_get("RUNTIME_DIRECTORY");
    const char *users = environment_get("XDG_RUNTIME_DIR");
    const char *path = given_path();
    int length = -1;

    if (path != NULL)
        length = snprintf(to, PATH_MAX, "%.*s",
                          strrchr(path, '/') > path ? (int)(strrchr(path, '/') - path) : 1, path);
    else if (given != NULL && given[0] == '/')
        length = snprintf(to, PATH_MAX, "%.*s", (int)strcspn(given, ":"), given);
    else if (geteuid() == 0)
        length = snprintf(to, PATH_MAX, "/run/leafd");
    else if (users != NULL && users[0] == '/')
        length = snprintf(to, PATH_MAX, "%s/leafd", users);
    return length >= 0 && length < PATH_MAX;
}

struct sockaddr_un control_socket_address(int dir_fd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
    return address;
}

bool control_socket_connect(int dir_fd, const char *name, int *ret_fd)
{
    const struct sockaddr_un address = control_socket_address(dir_fd, name);

    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return *ret_fd >= 0 && connect(*ret_fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

/* Its parent is one that others cannot write; the descriptor is for calls with a name. */
bool control_socket_search(const char *folder, int *ret_fd, uid_t *ret_agent, struct err *err)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int parent_fd = -1;
    char path[PATH_MAX];
    const char *name;
    struct stat about;

    if (realpath(folder, path) == NULL)
        return err_errno(err, ERR_LOCAL, errno, "%s", folder);
    if (!trust_open_parent(&trust, path, &parent_fd, &name, err))
        return false;
    *ret_fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd < 0 || fstat(*ret_fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open the directory %s", folder);
    *ret_agent = (about.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? geteuid() : about.st_uid;
    return true;
}

/* -- made and removed, on a worker ---------------------------------------------------------------
 */

/* Makes it in a directory that others cannot write, and by descriptors: a path could be exchanged
 * between two calls. */
static bool make_folder(const char *path, struct err *err)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int parent_fd = -1;
    CLEANUP(close_fd) int fd = -1;
    const char *name;

    if (!trust_open_parent(&trust, path, &parent_fd, &name, err))
        return false;
    if (mkdirat(parent_fd, name, 0755) == 0) {
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && fchmod(fd, 0755) == 0)
            return true;
    }
    return errno == EEXIST ||
           err_errno(err, ERR_LOCAL, errno, "cannot make the directory %s", path);
}

static bool open_folder(const char *path, int *ret_fd, struct err *err)
{
    struct trust trust = {.user = geteuid()};

    if (!trust_open_directory(&trust, path, ret_fd, err) &&
        (err->errnum != ENOENT || !make_folder(path, err) ||
         !trust_open_directory(&trust, path, ret_fd, err)))
        return false;
    return faccessat(*ret_fd, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
           err_errno(err, ERR_LOCAL, errno, "cannot write the directory %s", path);
}

static struct control_identity identity_of(int dir_fd, const char *name)
{
    struct stat about;

    if (fstatat(dir_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return (struct control_identity){0};
    return (struct control_identity){about.st_dev, about.st_ino, about.st_ctim};
}

static bool is_same(const struct control_identity *a, const struct control_identity *b)
{
    return a->inode != 0 && a->inode == b->inode && a->device == b->device &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/*
 * Agents that wait for the same socket try at the same moment: without the lock, one could remove
 * what another has just made. Its file exists while somebody has the lock or waits for it. Whoever
 * has the lock removes the file, then releases it, and whoever gets a lock on a file that was
 * removed meanwhile tries again: at any time one process has the lock on the file of that name.
 */
struct folder_lock {
    int dir_fd, fd;
    char name[CONTROL_NAME_BYTES + sizeof ".lock"];
};

static bool is_named(const struct folder_lock *lock)
{
    struct stat ours, named;

    return fstat(lock->fd, &ours) == 0 &&
           fstatat(lock->dir_fd, lock->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static bool lock_folder(int dir_fd, const struct control_making *making, struct folder_lock *lock,
                        struct err *err)
{
    bool locked;

    lock->dir_fd = dir_fd;
    snprintf(lock->name, sizeof lock->name, "%s.lock", making->name);
    do {
        close_fd(&lock->fd);
        lock->fd = openat(dir_fd, lock->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        locked = lock->fd >= 0 && flock(lock->fd, LOCK_EX) == 0;
    } while (locked && !is_named(lock));
    if (locked)
        return true;
    err_errno(err, ERR_LOCAL, errno, "cannot lock %s.lock", making->path);
    close_fd(&lock->fd);
    return false;
}

static void unlock_folder(struct folder_lock *lock)
{
    if (lock->fd >= 0)
        unlinkat(lock->dir_fd, lock->name, 0);
    close_fd(&lock->fd);
}

/* The pidfd of the process that listens; -1 if it has ended, or if the kernel is too old to show a
 * process of another container. */
static int open_owner(int fd, pid_t pid)
{
    struct pollfd ended = {.fd = -1, .events = POLLIN};
    socklen_t size = sizeof ended.fd;

#ifdef SO_PEERPIDFD
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &ended.fd, &size) != 0)
        ended.fd = -1;
#endif
    (void)fd;
    (void)size;
    if (ended.fd < 0 && pid > 0)
        ended.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (ended.fd >= 0 && poll(&ended, 1, 0) != 0)
        close_fd(&ended.fd);
    return ended.fd;
}

/* In a directory that others may write, anybody can listen at the name. */
static bool tell_foreign(const struct control_making *making, const struct stat *about,
                         struct err *err)
{
    return err_set(err, ERR_LOCAL,
                   "%s belongs to uid %u and is no socket of an agent of this user; remove it, or "
                   "name a place in a directory that only this user may write",
                   making->path, (unsigned)about->st_uid);
}

/* Removes the stale socket of a killed agent, but not one that a process listens at. */
static bool make_way(int dir_fd, struct control_making *making, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof peer;
    struct stat about;

    if (fstatat(dir_fd, making->name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ||
               err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", making->path);
    if (!S_ISSOCK(about.st_mode))
        return err_set(err, ERR_LOCAL, "%s exists and is no socket; remove it", making->path);
    if (control_socket_connect(dir_fd, making->name, &fd) || errno != ECONNREFUSED) {
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid == 0 ||
            (peer.uid != 0 && peer.uid != geteuid()))
            return tell_foreign(making, &about, err);
        making->owner_fd = open_owner(fd, peer.pid);
        making->is_taken = true;
        return err_set(err, ERR_LOCAL,
                       "another agent has the same configuration and listens there: process %d; "
                       "this one takes over when that one has ended",
                       (int)peer.pid);
    }
    return unlinkat(dir_fd, making->name, 0) == 0 || errno == ENOENT ||
           err_errno(err, ERR_LOCAL, errno, "cannot remove %s", making->path);
}

static bool listen_at(int dir_fd, struct control_making *making, struct err *err)
{
    const struct sockaddr_un address = control_socket_address(dir_fd, making->name);
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* No client can connect before listen(2); umask 077 sets the mode until then. */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        fchmodat(dir_fd, making->name, 0600, 0) != 0 || listen(fd, QUEUE) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot listen at %s", making->path);
    making->made = identity_of(dir_fd, making->name);
    making->fd = take_fd(&fd);
    return true;
}

bool control_socket_make(void *job, struct err *err)
{
    CLEANUP(close_fd) int dir_fd = -1;
    CLEANUP(unlock_folder) struct folder_lock lock = {.fd = -1};
    struct control_making *making = job;
    struct control_identity now;

    if (!making->has_folder)
        return err_set(err, ERR_LOCAL,
                       "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR names a directory for the "
                       "control socket");
    if (!control_socket_name(making->file, making->name, err))
        return false;
    snprintf(making->path, sizeof making->path, "%s/%s", making->folder, making->name);
    making->is_open = open_folder(making->folder, &dir_fd, err);
    if (!making->is_open)
        return false;
    now = identity_of(dir_fd, making->name);
    making->is_there = is_same(&making->made, &now);
    return making->is_there || (lock_folder(dir_fd, making, &lock, err) &&
                                make_way(dir_fd, making, err) && listen_at(dir_fd, making, err));
}

void control_making_free(void *job)
{
    struct control_making *making = job;

    close_fd(&making->fd);
    close_fd(&making->owner_fd);
    free(making->file);
    free(making);
}

bool control_socket_remove(void *job, struct err *err)
{
    CLEANUP(close_fd) int dir_fd = -1;
    const struct control_removal *removal = job;
    struct trust trust = {.user = geteuid()};
    struct control_identity now;

    if (!trust_open_directory(&trust, removal->folder, &dir_fd, err))
        return false;
    now = identity_of(dir_fd, removal->name);
    if (is_same(&removal->made, &now))
        unlinkat(dir_fd, removal->name, 0);
    return true;
}
