#include "app/audit_file.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

/* Sets who may read a new file, before it has content. */
static bool limit_readers(const struct audit_order *order, int fd, struct err *err)
{
    if (!file_drop_acl(fd, err))
        return false;
    if (order->group != 0 && fchown(fd, (uid_t)-1, (gid_t)order->group) != 0)
        return err_errno(err, ERR_LOCAL, errno,
                         "cannot give the group of audit_group to it; leafd's user must be in that "
                         "group");
    return fchmod(fd, order->group != 0 ? 0640 : 0600) == 0 ||
           err_errno(err, ERR_LOCAL, errno, "cannot set its mode");
}

static bool make(const struct audit_order *order, int dir_fd, const char *name, int *ret_fd,
                 struct err *err)
{
    CLEANUP(close_fd) int listing_fd = -1;

    *ret_fd = openat(dir_fd, name, flags | O_CREAT | O_EXCL, 0600);
    if (*ret_fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot make it");
    if (!limit_readers(order, *ret_fd, err)) {
        unlinkat(dir_fd, name, 0);
        return false;
    }
    if (!order->syncs)
        return true;
    listing_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return (listing_fd >= 0 && fsync(listing_fd) == 0) ||
           err_errno(err, ERR_LOCAL, errno, "cannot sync its directory");
}

/* Others could have put a FIFO or a link to another file there before the directory was theirs. */
static bool check(struct trust *trust, const struct audit_order *order, int fd, struct err *err)
{
    struct stat about;

    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at it");
    if (!S_ISREG(about.st_mode) || about.st_nlink != 1)
        return err_set(err, ERR_LOCAL, "it is no regular file with a single name");
    return trust_check_fd(trust, fd, order->path, err);
}

static bool open_file(const struct audit_order *order, int *ret_fd, struct err *err)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int dir_fd = -1;
    const char *name;

    if (!trust_open_parent(&trust, order->path, &dir_fd, &name, err))
        return false;
    *ret_fd = openat(dir_fd, name, flags);
    if (*ret_fd < 0 && errno == ENOENT)
        return make(order, dir_fd, name, ret_fd, err);
    if (*ret_fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open it");
    return check(&trust, order, *ret_fd, err);
}

/* A crash or a full disk may have left a part of a line. */
static bool end_torn_line(int fd, struct err *err)
{
    char last = '\n';
    off_t size = lseek(fd, 0, SEEK_END);

    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return err_errno(err, ERR_LOCAL, errno, "cannot read it");
    return last == '\n' || file_write(fd, "\n", 1, err);
}

static bool write_lines(const struct audit_order *order, int fd, size_t *ret_written,
                        struct err *err)
{
    size_t written = 0;

    while (written < order->length) {
        ssize_t r = write(fd, order->lines + written, order->length - written);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            break;
        written += (size_t)r;
    }
    *ret_written = written;
    if (written == order->length)
        return true;
    err_errno(err, ERR_LOCAL, errno, "cannot write to it");
    while (*ret_written > 0 && order->lines[*ret_written - 1] != '\n')
        --*ret_written;
    return false;
}

bool audit_file_append(const struct audit_order *order, size_t *ret_written, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    bool done;

    *ret_written = 0;
    done = open_file(order, &fd, err) && end_torn_line(fd, err) &&
           write_lines(order, fd, ret_written, err);
    /* What was not synced may be gone after a power cut, so it is written again: twice is better
     * than not at all. */
    if (done && order->syncs && order->length > 0 && fdatasync(fd) != 0) {
        *ret_written = 0;
        done = err_errno(err, ERR_LOCAL, errno, "cannot sync it");
    }
    return done || err_wrap(err, "audit file %s", order->path);
}
