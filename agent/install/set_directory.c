#include "install/set_directory.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whoever may write the directory may exchange the key: nobody but us and root. */
static bool is_private(const char *path, const struct stat *about, uid_t uid, struct err *err)
{
    if (about->st_uid != uid && about->st_uid != 0)
        return err_set(err, ERR_LOCAL,
                       "%s belongs to uid %u, who could exchange the key, and leafd runs here as "
                       "uid %u; run it as uid %u, or name a directory of its own",
                       path, (unsigned)about->st_uid, (unsigned)uid, (unsigned)about->st_uid);
    if ((about->st_mode & S_IWOTH) != 0)
        return err_set(
            err, ERR_LOCAL,
            "%s may be written by everybody; chmod o-w it, or name a directory below it, "
            "which leafd makes",
            path);
    if ((about->st_mode & S_IWGRP) != 0)
        return err_set(
            err, ERR_LOCAL,
            "%s may be written by its group; chmod g-w it, or name a directory below it, "
            "which leafd makes",
            path);
    return true;
}

static bool is_ours(const char *path, const struct stat *about, struct err *err)
{
    return is_private(path, about, geteuid(), err);
}

bool set_directory_look(const char *path, int *ret_fd, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return err_set(err, ERR_LOCAL,
                       "%s is no directory, or a symbolic link; name the place itself", path);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open the directory %s", path);
    *ret_fd = fd;
    return true;
}

bool set_directory_mode(int fd, mode_t mode, struct err *err)
{
    struct stat about;

    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at it");
    if (fchmod(fd, (mode & 0777) | (about.st_mode & S_ISGID)) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot set its mode");
    return true;
}

static bool make(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) == 0) {
        CLEANUP(close_fd) int fd = -1;

        /* The umask took bits away; the directory is empty, so this is early enough. */
        return set_directory_look(path, &fd, err) &&
               (set_directory_mode(fd, mode, err) || err_wrap(err, "%s", path));
    }
    if (errno == EEXIST)
        return true;
    return err_errno(err, ERR_LOCAL, errno, "cannot make the directory %s", path);
}

bool set_directory_open(const char *path, mode_t mode, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat about;

    if (!make(path, mode, err) || !set_directory_look(path, &fd, err))
        return false;
    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at %s", path);
    /* The lock first: where an agent works, nobody else has to be told whose directory it is. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, ERR_LOCAL, errno, "cannot lock %s", path);
        err_set(err, ERR_LOCAL, "another leafd works in %s", path);
        err->errnum = EWOULDBLOCK;
        return false;
    }
    if (!is_ours(path, &about, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

/* The directory above, in which it would be made. */
static bool would_make(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];

    if (slash == NULL || (size_t)(slash - path) >= sizeof parent)
        return err_set(err, ERR_LOCAL, "%s is no absolute path", path);
    snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) != 0)
        return err_errno(err, ERR_LOCAL, errno,
                         "the directory %s is not there, and uid %u cannot make it in %s", path,
                         (unsigned)geteuid(), parent);
    return true;
}

bool set_directory_would_open(const char *path, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat about;

    if (lstat(path, &about) != 0 && errno == ENOENT)
        return would_make(path, err);
    if (!set_directory_look(path, &fd, err))
        return false;
    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at %s", path);
    if (!is_ours(path, &about, err))
        return false;
    if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0)
        return err_errno(err, ERR_LOCAL, errno, "uid %u cannot write %s", (unsigned)geteuid(),
                         path);
    return true;
}

bool set_directory_same(const char *path, int fd, struct err *err)
{
    struct stat held, named;

    if (fstat(fd, &held) != 0 || lstat(path, &named) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at %s", path);
    if (held.st_dev != named.st_dev || held.st_ino != named.st_ino)
        return err_set(err, ERR_LOCAL, "%s was replaced by another directory", path);
    return true;
}

bool set_directory_is_safe(const char *path, int fd, struct err *err)
{
    struct stat about;

    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at %s", path);
    return is_ours(path, &about, err);
}

bool set_directory_is_private(const char *path, int fd, const char *generation, struct err *err)
{
    struct stat about, made;

    if (fstat(fd, &about) != 0 || fstatat(fd, generation, &made, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at %s", path);
    return is_private(path, &about, made.st_uid, err);
}
