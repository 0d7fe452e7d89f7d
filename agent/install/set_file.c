#include "install/set_file.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

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
    /* O_NONBLOCK: a FIFO in the file's place must not stall anybody. */
    CLEANUP(close_fd)
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat about;

    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_LOCAL, "%s is a symbolic link and not a regular file", name);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open %s", name);
    if (fstat(fd, &about) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot look at %s", name);
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
