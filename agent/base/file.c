#include "base/file.h"

#include "base/cleanup.h"
#include "base/random.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SECRET_FILE_MOST_BYTES = 64 * 1024, PASSWORD_MOST_BYTES = 1024, READ_AT_ONCE_BYTES = 4096 };

bool file_read(int fd, const char *name, struct bytes *bytes, struct err *err)
{
    char part[READ_AT_ONCE_BYTES];
    ssize_t got;
    bool fits = true;

    while (fits && (got = read(fd, part, sizeof part)) != 0) {
        if (got > 0)
            fits = bytes_add(bytes, part, (size_t)got);
        else if (errno != EINTR)
            break;
    }
    explicit_bzero(part, sizeof part);
    if (got < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read %s", name);
    if (!fits && (size_t)got <= bytes->limit - bytes->length)
        return err_memory(err);
    if (!fits)
        return err_set(err, ERR_LOCAL, "%s is larger than the %zu bytes allowed", name,
                       bytes->limit);
    return true;
}

bool file_read_at(int dir_fd, const char *name, struct bytes *bytes, struct err *err)
{
    /* Open with O_PATH first: opening a device can have side effects, and another user may have
     * made the name a link. The checked file is then opened through /proc/PID/fd: proc(5). */
    CLEANUP(close_fd) int found = openat(dir_fd, name, O_PATH | O_CLOEXEC);
    CLEANUP(close_fd) int fd = -1;
    struct stat about;
    char again[64];

    if (found < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open %s", name);
    if (fstat(found, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", name);
    if (!S_ISREG(about.st_mode))
        return err_set(err, ERR_LOCAL, "%s is not a regular file", name);
    snprintf(again, sizeof again, "/proc/self/fd/%d", found);
    fd = open(again, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd >= 0 ? file_read(fd, name, bytes, err)
                   : err_errno(err, ERR_LOCAL, errno, "cannot open %s", name);
}

bool file_read_trusted(const char *path, struct bytes *bytes, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct trust trust = {.user = geteuid()};

    return trust_open_file(&trust, path, &fd, err) && file_read(fd, path, bytes, err);
}

bool file_read_secret(const char *path, struct secret *secret, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = SECRET_FILE_MOST_BYTES};
    const char *start;
    size_t length;

    if (!file_read_trusted(path, &bytes, err))
        return false;
    start = bytes_text(&bytes) + strspn(bytes_text(&bytes), " \t\r\n");
    length = strlen(start);
    while (length > 0 && strchr(" \t\r\n", start[length - 1]) != NULL)
        length--;
    if (length == 0)
        return err_set(err, ERR_LOCAL, "%s is empty", path);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)start[i] < ' ' || start[i] == 0x7f)
            return err_set(err, ERR_LOCAL, "%s holds more than one line or a control character",
                           path);
    return secret_copy(secret, start, length, err);
}

static bool check_password(const char *text, size_t length, struct err *err)
{
    if (length == 0)
        return err_set(err, ERR_LOCAL, "is empty; put the password into it");
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return err_set(err, ERR_LOCAL,
                           "holds more than one line of printable ASCII, and Java accepts nothing "
                           "else as a password");
    return true;
}

bool file_read_password(const char *path, struct secret *secret, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = PASSWORD_MOST_BYTES};
    size_t length;

    if (!file_read_trusted(path, &bytes, err)) {
        if (err->errnum == EPERM)
            return err_wrap(err, "cannot be trusted");
        if (err->errnum != 0)
            return err_errno(err, ERR_LOCAL, err->errnum, "cannot be read");
        return err_set(err, ERR_LOCAL, "is not a regular file, or is longer than %d bytes",
                       PASSWORD_MOST_BYTES);
    }
    length = bytes.length;
    if (length > 0 && bytes.data[length - 1] == '\n')
        length--;
    if (length > 0 && length < bytes.length && bytes.data[length - 1] == '\r')
        length--;
    return check_password(bytes.data, length, err) && secret_copy(secret, bytes.data, length, err);
}

void file_stamp_at(struct digest *stamp, int dir_fd, const char *name)
{
    struct stat about;
    uint64_t facts[7] = {0};

    if (name != NULL && fstatat(dir_fd, name, &about, 0) == 0) {
        facts[0] = (uint64_t)about.st_dev;
        facts[1] = (uint64_t)about.st_ino;
        facts[2] = (uint64_t)about.st_size;
        facts[3] = (uint64_t)about.st_mtim.tv_sec;
        facts[4] = (uint64_t)about.st_mtim.tv_nsec;
        facts[5] = (uint64_t)about.st_ctim.tv_sec;
        facts[6] = (uint64_t)about.st_ctim.tv_nsec;
    }
    digest_add(stamp, facts, sizeof facts);
}

bool file_write(int fd, const void *data, size_t length, struct err *err)
{
    const char *left = data;

    while (length > 0) {
        ssize_t wrote = write(fd, left, length);

        if (wrote < 0 && errno != EINTR)
            return err_errno(err, ERR_LOCAL, errno, "cannot write");
        if (wrote > 0) {
            left += wrote;
            length -= (size_t)wrote;
        }
    }
    return true;
}

bool file_finish(int *fd, struct err *err)
{
    if (fsync(*fd) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot sync it");
    if (close(take_fd(fd)) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot close it");
    return true;
}

/* -- writing --------------------------------------------------------------------------------------
 */

bool file_in_memory(const char *text, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int fd = memfd_create("leafd", MFD_CLOEXEC);

    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot make a file in memory");
    if (!file_write(fd, text, strlen(text), err))
        return false;
    lseek(fd, 0, SEEK_SET);
    *ret_fd = take_fd(&fd);
    return true;
}

/* The attributes of acl(5): a file's own list, and the default list that a directory gives to new
 * entries. */
static const char access_acl[] = "system.posix_acl_access";
static const char default_acl[] = "system.posix_acl_default";

static bool drop_attribute(int fd, const char *name, struct err *err)
{
    return fremovexattr(fd, name) == 0 || errno == ENODATA || errno == EOPNOTSUPP ||
           errno == ENOSYS ||
           err_errno(err, ERR_LOCAL, errno, "cannot remove the access control list from it");
}

bool file_drop_acl(int fd, struct err *err)
{
    return drop_attribute(fd, access_acl, err);
}

bool file_drop_directory_acls(int fd, struct err *err)
{
    return drop_attribute(fd, access_acl, err) && drop_attribute(fd, default_acl, err);
}

bool file_has_acl(int fd)
{
    return fgetxattr(fd, access_acl, NULL, 0) > 0;
}

bool file_gives_acl(int dir_fd)
{
    return fgetxattr(dir_fd, default_acl, NULL, 0) > 0;
}

/* A directory that is not empty was not made by leafd and must not be deleted. */
static bool move_aside(int dir_fd, const char *name, struct err *err)
{
    char aside[NAME_MAX + 1];

    snprintf(aside, sizeof aside, "%.220s.aside-%08x", name, random_draw());
    return renameat(dir_fd, name, dir_fd, aside) == 0 ||
           err_errno(err, ERR_LOCAL, errno, "cannot move the directory %s out of the way", name);
}

bool file_make_way(int dir_fd, const char *name, struct err *err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR)
        return err_errno(err, ERR_LOCAL, errno, "cannot remove the old %s", name);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || move_aside(dir_fd, name, err);
}

static bool write_new(int dir_fd, const char *name, mode_t mode, const void *data, size_t length,
                      struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    if (!file_make_way(dir_fd, name, err))
        return false;
    fd =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot create it");
    if (!file_drop_acl(fd, err))
        return false;
    if (fchmod(fd, mode) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot set its mode");
    return file_write(fd, data, length, err) && file_finish(&fd, err);
}

/* Renames the new file into place; a directory of that name is moved away. */
static bool rename_into(int dir_fd, const char *fresh, const char *name, struct err *err)
{
    if (renameat(dir_fd, fresh, dir_fd, name) == 0)
        return true;
    if (errno == EISDIR && file_make_way(dir_fd, name, err) &&
        renameat(dir_fd, fresh, dir_fd, name) == 0)
        return true;
    return err_errno(err, ERR_LOCAL, errno, "cannot rename %s to %s", fresh, name);
}

bool file_replace_at(int dir_fd, const char *name, mode_t mode, const void *data, size_t length,
                     struct err *err)
{
    char fresh[NAME_MAX + 1];

    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", name) >= sizeof fresh)
        return err_set(err, ERR_LOCAL, "cannot write %s: the name is too long", name);
    if (!write_new(dir_fd, fresh, mode, data, length, err)) {
        unlinkat(dir_fd, fresh, 0);
        return err_wrap(err, "cannot write %s", fresh);
    }
    if (!rename_into(dir_fd, fresh, name, err)) {
        unlinkat(dir_fd, fresh, 0);
        return false;
    }
    if (fsync(dir_fd) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot sync the directory of %s", name);
    return true;
}

DIR *file_list_at(int dir_fd, const char *name)
{
    CLEANUP(close_fd)
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);

    if (entries != NULL)
        (void)take_fd(&fd);
    return entries;
}
