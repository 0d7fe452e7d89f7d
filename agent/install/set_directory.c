#include "install/set_directory.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A user who can write the directory can exchange the key. So it must belong to root or the user,
 * and be writable for nobody else. *ret_about gets its attributes. */
static bool check_private(const char *path, int fd, uid_t user, struct stat *ret_about,
                          struct err *err)
{
    if (fstat(fd, ret_about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", path);
    if (ret_about->st_uid != user && ret_about->st_uid != 0)
        return err_set(err, ERR_LOCAL,
                       "%s belongs to uid %u, who could exchange the key, and leafd runs here as "
                       "uid %u; run it as uid %u, or name a directory of its own",
                       path, (unsigned)ret_about->st_uid, (unsigned)user,
                       (unsigned)ret_about->st_uid);
    if ((ret_about->st_mode & S_IWOTH) != 0)
        return err_set(
            err, ERR_LOCAL,
            "%s may be written by everybody; chmod o-w it, or name a directory below it, "
            "which leafd makes",
            path);
    if ((ret_about->st_mode & S_IWGRP) != 0)
        return err_set(
            err, ERR_LOCAL,
            "%s may be written by its group; chmod g-w it, or name a directory below it, "
            "which leafd makes",
            path);
    return true;
}

/* Never follows a link as the last component, since others may have put it there. */
static bool open_at(int parent_fd, const char *name, const char *path, int *ret_fd, struct err *err)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return err_set(err, ERR_LOCAL,
                       "%s is not a directory, or is a symbolic link; name the directory itself",
                       path);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open the directory %s", path);
    *ret_fd = fd;
    return true;
}

bool set_directory_look(const char *path, int *ret_fd, struct err *err)
{
    return open_at(AT_FDCWD, path, path, ret_fd, err);
}

bool set_directory_mode(int fd, mode_t mode, struct err *err)
{
    struct stat about;

    if (!file_drop_directory_acls(fd, err))
        return false;
    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read its attributes");
    if (fchmod(fd, (mode & 0777) | (about.st_mode & S_ISGID)) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot set its mode");
    return true;
}

/* Creates the directory if it is missing, and opens it. It is empty, so its mode can be set on the
 * descriptor. */
static bool make(int parent_fd, const char *name, const char *path, mode_t mode, int *ret_fd,
                 struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat about;

    if (mkdirat(parent_fd, name, 0700) != 0)
        return errno == EEXIST
                   ? open_at(parent_fd, name, path, ret_fd, err)
                   : err_errno(err, ERR_LOCAL, errno, "cannot make the directory %s", path);
    if (!open_at(parent_fd, name, path, &fd, err))
        return false;
    if (fstat(fd, &about) != 0 || about.st_uid != geteuid())
        return err_set(err, ERR_LOCAL, "%s was replaced while leafd made it", path);
    if (!set_directory_mode(fd, mode, err))
        return err_wrap(err, "%s", path);
    *ret_fd = take_fd(&fd);
    return true;
}

/* Opens the parent directory, if only root and the user can exchange entries on the way to it. */
static bool open_parent(const char *path, uid_t user, int *ret_fd, const char **ret_name,
                        struct err *err)
{
    struct trust trust = {.user = user};

    return trust_open_parent(&trust, path, ret_fd, ret_name, err) ||
           (err->errnum == ENOENT &&
            err_wrap(err, "the directory %s does not exist, and leafd cannot create it", path));
}

bool set_directory_open(const char *path, mode_t mode, int *ret_fd, struct stat *ret_about,
                        struct err *err)
{
    CLEANUP(close_fd) int parent_fd = -1;
    CLEANUP(close_fd) int fd = -1;
    uid_t user = geteuid();
    const char *name;

    if (!open_parent(path, user, &parent_fd, &name, err))
        return false;
    if (!open_at(parent_fd, name, path, &fd, err) &&
        (err->errnum != ENOENT || !make(parent_fd, name, path, mode, &fd, err)))
        return false;
    if (!check_private(path, fd, user, ret_about, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

/* Opens an existing directory that this user may write. */
static bool visit_at(int parent_fd, const char *name, const char *path, int *ret_fd,
                     struct stat *ret_about, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    uid_t user = geteuid();

    if (!open_at(parent_fd, name, path, &fd, err) || !check_private(path, fd, user, ret_about, err))
        return false;
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return err_errno(err, ERR_LOCAL, errno, "uid %u cannot write %s", (unsigned)user, path);
    *ret_fd = take_fd(&fd);
    return true;
}

bool set_directory_visit(const char *path, int *ret_fd, struct stat *ret_about, struct err *err)
{
    CLEANUP(close_fd) int parent_fd = -1;
    const char *name;

    return open_parent(path, geteuid(), &parent_fd, &name, err) &&
           visit_at(parent_fd, name, path, ret_fd, ret_about, err);
}

bool set_directory_would_open(const char *path, struct err *err)
{
    CLEANUP(close_fd) int parent_fd = -1;
    CLEANUP(close_fd) int fd = -1;
    const char *name;
    struct stat about;

    if (!open_parent(path, geteuid(), &parent_fd, &name, err))
        return false;
    if (fstatat(parent_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return faccessat(parent_fd, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
               err_errno(err, ERR_LOCAL, errno,
                         "the directory %s does not exist, and uid %u cannot create it", path,
                         (unsigned)geteuid());
    return visit_at(parent_fd, name, path, &fd, &about, err);
}

/* An access control list was meant to let others read what is created there. */
static void remark_acl(int dir_fd, const char *path, struct set_directory_remarks *remarks)
{
    CLEANUP(close_fd) int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (remarks->advice[0] == '\0' && fd >= 0 && file_gives_acl(fd))
        snprintf(
            remarks->advice, sizeof remarks->advice,
            "%s has a default access control list, which leafd does not apply to its files: the "
            "users in it cannot read keys; give the file a group (file = NAME key 0640 :GROUP)",
            path);
}

void set_directory_remark(const char *path, struct set_directory_remarks *ret_remarks)
{
    CLEANUP(close_fd) int parent_fd = -1;
    CLEANUP(close_fd) int fd = -1;
    struct trust trust = {.user = geteuid()};
    struct stat about;
    const char *name;
    struct err err;
    bool safe = true;

    *ret_remarks = (struct set_directory_remarks){.is_there = false};
    ret_remarks->is_there = set_directory_look(path, &fd, &err) && fstat(fd, &about) == 0;
    if (ret_remarks->is_there) {
        trust.user = about.st_uid;
        safe = check_private(path, fd, about.st_uid, &about, &err);
    }
    if (safe && !trust_open_parent(&trust, path, &parent_fd, &name, &err))
        safe = err.errnum != EPERM;
    if (!safe)
        snprintf(ret_remarks->refusal, sizeof ret_remarks->refusal, "%s", err.text);
    snprintf(ret_remarks->advice, sizeof ret_remarks->advice, "%s", trust.advice);
    ret_remarks->user = trust.user;
    if (fd >= 0)
        remark_acl(fd, path, ret_remarks);
    else if (parent_fd >= 0)
        remark_acl(parent_fd, "the directory above", ret_remarks);
}

bool set_directory_is_private(const char *path, int fd, struct err *err)
{
    CLEANUP(close_fd) int parent_fd = -1;
    struct stat held, named;
    const char *name;

    if (fstat(fd, &held) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", path);
    if (!check_private(path, fd, held.st_uid, &held, err) ||
        !open_parent(path, held.st_uid, &parent_fd, &name, err))
        return false;
    if (fstatat(parent_fd, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", path);
    if (held.st_dev != named.st_dev || held.st_ino != named.st_ino)
        return err_set(err, ERR_LOCAL, "%s was replaced by another directory", path);
    return true;
}

/* -- files in a set -------------------------------------------------------------------------------
 */

struct trust set_file_trust(int set_fd)
{
    struct trust trust = {.user = geteuid(), .who = "the set's owner"};
    struct stat about;

    if (fstat(set_fd, &about) == 0 && about.st_uid != 0)
        trust.user = about.st_uid;
    return trust;
}

bool set_file_open(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    /* O_NONBLOCK: open(2) of a FIFO would block. */
    CLEANUP(close_fd)
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat about;

    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_LOCAL, "%s is a symbolic link and not a regular file", name);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open %s", name);
    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", name);
    if (!S_ISREG(about.st_mode))
        return err_set(err, ERR_LOCAL, "%s is not a regular file", name);
    *ret_fd = take_fd(&fd);
    return true;
}

bool set_file_read(struct trust *trust, int dir_fd, const char *name, struct bytes *bytes,
                   struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    return set_file_open(dir_fd, name, &fd, err) && trust_check_fd(trust, fd, name, err) &&
           file_read(fd, name, bytes, err);
}

bool set_file_open_directory(struct trust *trust, int set_fd, const char *name, int *ret_fd,
                             struct err *err)
{
    CLEANUP(close_fd)
    int fd = openat(set_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open %s", name);
    if (!trust_check_fd(trust, fd, name, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

bool set_file_read_link(int set_fd, const char *name, char ret_target[static PATH_MAX],
                        struct err *err)
{
    CLEANUP(close_fd) int fd = openat(set_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct trust trust = set_file_trust(set_fd);
    ssize_t length = fd < 0 ? -1 : readlinkat(fd, "", ret_target, PATH_MAX - 1);

    ret_target[length < 0 ? 0 : length] = '\0';
    if (length < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read the link %s", name);
    return trust_check_fd(&trust, fd, name, err);
}
