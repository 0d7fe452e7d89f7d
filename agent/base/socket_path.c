#include "base/socket_path.h"

#include "base/cleanup.h"
#include "base/timed_job.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* The worker's own data. */
struct walk {
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
    int fd;
};

struct socket_path {
    struct slot slot;
    struct slot *work;
    struct walk *walk; /* the worker's */
};

static bool run_walk(void *job, struct err *err)
{
    struct walk *walk = job;

    walk->fd = open(walk->path, O_PATH | O_CLOEXEC);
    return walk->fd >= 0 || err_errno(err, ERR_CONSUMER, errno, "cannot connect");
}

static void free_walk(void *job)
{
    struct walk *walk = job;

    close_fd(&walk->fd);
    free(walk);
}

static void destroy_socket_path(struct slot *slot)
{
    slot_drop(((struct socket_path *)slot)->work);
    slot_free(slot);
}

static void on_walked(void *arg, const struct err *err)
{
    slot_finish(arg, err);
}

struct slot *socket_path_start(sd_event *loop, struct workers *workers, const char *path,
                               uint64_t limit_us, slot_done *on_done, void *arg, struct err *err)
{
    struct walk *walk = calloc(1, sizeof *walk);
    struct timed_job job = {path, run_walk, walk, free_walk, limit_us, {.kind = ERR_NONE}};
    struct socket_path *opened;

    if (walk == NULL) {
        err_memory(err);
        return NULL;
    }
    walk->fd = -1;
    snprintf(walk->path, sizeof walk->path, "%s", path);
    opened = slot_new(sizeof *opened, loop, destroy_socket_path, on_done, arg, err);
    if (opened == NULL) {
        free_walk(walk);
        return NULL;
    }
    opened->walk = walk;
    err_set(&job.late, ERR_CONSUMER,
            "opening the path of the socket takes too long; check whether a mount hangs");
    opened->work = timed_job_start(loop, workers, &job, on_walked, opened, err);
    if (opened->work != NULL)
        return &opened->slot;
    destroy_socket_path(&opened->slot);
    return NULL;
}

int socket_path_take(struct slot *slot)
{
    return take_fd(&((struct socket_path *)slot)->walk->fd);
}

void socket_path_write(int fd, char to[static SOCKET_PATH_BYTES])
{
    snprintf(to, SOCKET_PATH_BYTES, "/proc/self/fd/%d", fd);
}

/* -- connecting where no other user can listen ----------------------------------------------------
 */

/*
 * Opens the socket, so that no other one can take its place between the check and connect(2). A
 * link could lead out of the checked directory.
 */
static bool find_socket(const char *path, uid_t user, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int dir_fd = -1;
    struct trust trust = {.user = user};
    const char *name = NULL;
    struct stat about;

    if (!trust_open_parent(&trust, path, &dir_fd, &name, err)) {
        if (err->errnum == EPERM)
            err_append(err, "; let the consumer listen in a directory that belongs to root, such "
                            "as /run/NAME.sock");
        return err->errnum == ENOENT &&
               err_errno(err, ERR_CONSUMER, ENOENT, "cannot connect to %s", path);
    }
    *ret_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd < 0 || fstat(*ret_fd, &about) != 0)
        return err_errno(err, ERR_CONSUMER, errno, "cannot connect to %s", path);
    if (S_ISLNK(about.st_mode))
        return err_set(err, ERR_LOCAL,
                       "%s is a link, which is not followed; name the socket itself", path);
    return true;
}

bool socket_path_connect(const char *path, uid_t user, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int path_fd = -1;
    CLEANUP(close_fd) int fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *ret_fd = -1;
    if (!find_socket(path, user, &path_fd, err))
        return false;
    socket_path_write(path_fd, address.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot make a socket");
    /* connect(2) to a Unix socket never stays pending. */
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return errno == EAGAIN || err_errno(err, ERR_CONSUMER, errno, "cannot connect to %s", path);
    if (!trust_peer(fd, user, path, err)) {
        if (err->errnum == EPERM)
            err_append(err, "; write `socket PATH user NAME` if that is the consumer's user");
        return false;
    }
    *ret_fd = take_fd(&fd);
    return true;
}
