#include "app/agent_call.h"

#include "app/control_socket.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    REQUEST_BYTES = 256,
    PART_BYTES = 16384,
    REPLY_MOST_BYTES = 8 * 1024 * 1024 /* room for the problems of ten thousand sections */
};

struct call {
    char name[CONTROL_NAME_BYTES]; /* of the socket */
    char path[PATH_MAX + CONTROL_NAME_BYTES];
    int fd; /* connected to the agent; -1: not */
    uint64_t until_us;
};

/* -- the connection -------------------------------------------------------------------------------
 */

static bool tell_unconnected(const char *path, uid_t owner, int errnum, struct err *err)
{
    if (errnum == ECONNREFUSED)
        err_set(err, ERR_LOCAL, "%s: the agent that made this socket has ended", path);
    else if (errnum == EACCES)
        err_set(err, ERR_LOCAL,
                "%s is only for uid %u and root; run this command as one of them, or with sudo",
                path, (unsigned)owner);
    else
        err_errno(err, ERR_LOCAL, errnum, "cannot connect to %s", path);
    err->errnum = errnum;
    return false;
}

/* Connects to the agent at the socket; its user is root, this user or the socket's owner. */
static bool reach(struct call *call, const char *path, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    CLEANUP(close_fd) int dir_fd = -1;
    char folder[PATH_MAX];
    struct stat about;

    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    dir_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || fstatat(dir_fd, call->name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(err, ERR_LOCAL, errno, "%s", path);
    if (!control_socket_connect(dir_fd, call->name, &fd))
        return tell_unconnected(path, about.st_uid, errno, err);
    if (!trust_peer(fd, about.st_uid, path, err))
        return false;
    call->fd = take_fd(&fd);
    snprintf(call->path, sizeof call->path, "%s", path);
    return true;
}

/* Searches the own directory and those of leafd's units. */
static bool find(struct call *call, const char *file, bool everywhere, struct err *err)
{
    char folder[PATH_MAX], path[PATH_MAX + CONTROL_NAME_BYTES] = "";
    struct err last = {.errnum = ENOENT};
    glob_t found = {0};
    bool is_found = false;

    if (control_socket_folder(folder)) {
        snprintf(path, sizeof path, "%s/%s", folder, call->name);
        is_found = reach(call, path, &last);
    }
    snprintf(folder, sizeof folder, "/run/leafd%s/%s", everywhere ? "*" : "", call->name);
    if (!is_found && glob(folder, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && !is_found; i++)
            is_found = reach(call, found.gl_pathv[i], &last);
    globfree(&found);
    if (is_found)
        return true;
    if (last.errnum != ENOENT)
        err_set(err, ERR_LOCAL, "cannot ask the agent: %s", last.text);
    else
        err_set(err, ERR_LOCAL,
                "no agent answers for %s at %s%s%s; check that it runs (leafd run -c %s) and has "
                "the same RUNTIME_DIRECTORY",
                file, path, path[0] == '\0' ? "" : " or ", folder, file);
    err->errnum = last.errnum;
    return false;
}

/* -- one request in HTTP/1.0: the agent closes the connection behind its reply --------------------
 */

static bool await(const struct call *call, short events, struct err *err)
{
    struct pollfd watched = {.fd = call->fd, .events = events};
    uint64_t now_us = clock_boot_us();
    int wait_ms = call->until_us > now_us ? (int)((call->until_us - now_us) / 1000) + 1 : 0;
    int ready = poll(&watched, 1, wait_ms);

    if (ready > 0 || (ready < 0 && errno == EINTR))
        return true;
    return err_errno(err, ERR_LOCAL, ready == 0 ? ETIMEDOUT : errno,
                     "the agent at %s has not answered", call->path);
}

static bool send_request(const struct call *call, const char *method, const char *path,
                         struct err *err)
{
    char request[REQUEST_BYTES];
    int length = snprintf(request, sizeof request, "%s %s HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
                          method, path);
    int sent = 0;

    while (sent < length) {
        ssize_t part = send(call->fd, request + sent, (size_t)(length - sent), MSG_NOSIGNAL);

        if (part < 0 && errno != EAGAIN && errno != EINTR)
            return err_errno(err, ERR_LOCAL, errno, "cannot ask the agent at %s", call->path);
        if (part < 0 && !await(call, POLLOUT, err))
            return false;
        sent += part > 0 ? (int)part : 0;
    }
    return true;
}

static bool receive(const struct call *call, struct bytes *reply, struct err *err)
{
    char part[PART_BYTES];

    for (;;) {
        ssize_t length = recv(call->fd, part, sizeof part, 0);

        if (length == 0)
            return true;
        if (length > 0 && !bytes_add(reply, part, (size_t)length))
            return err_set(err, ERR_LOCAL, "the reply of the agent at %s is too long", call->path);
        if (length < 0 && errno != EAGAIN && errno != EINTR)
            return err_errno(err, ERR_LOCAL, errno, "the agent at %s has not answered", call->path);
        if (length < 0 && !await(call, POLLIN, err))
            return false;
    }
}

/* Takes the reply apart; its body must be a JSON object. */
static bool read_reply(const struct call *call, const struct bytes *reply,
                       struct agent_reply *ret_reply, struct err *err)
{
    static const char versions[] = "HTTP/1.x ";
    const char *text = bytes_text(reply), *body = strstr(text, "\r\n\r\n");

    if (body != NULL && reply->length > sizeof versions &&
        strncmp(text, versions, strcspn(versions, "x")) == 0) {
        ret_reply->status = (int)strtol(text + strlen(versions), NULL, 10);
        ret_reply->body = json_loads(body + 4, JSON_REJECT_DUPLICATES, NULL);
    }
    return json_is_object(ret_reply->body) ||
           err_set(err, ERR_LOCAL,
                   "the process that listens at %s is no leafd agent, or ended: its reply is no "
                   "JSON object",
                   call->path);
}

bool agent_call(const char *file, const char *method, const char *path, uint64_t wait_s,
                bool everywhere, struct agent_reply *ret_reply, struct err *err)
{
    CLEANUP(bytes_free) struct bytes reply = {.limit = REPLY_MOST_BYTES};
    struct call call = {.fd = -1, .until_us = clock_boot_us() + wait_s * 1000000};
    bool answered = control_socket_name(file, call.name, err) &&
                    find(&call, file, everywhere, err) && send_request(&call, method, path, err) &&
                    receive(&call, &reply, err) && read_reply(&call, &reply, ret_reply, err);

    close_fd(&call.fd);
    return answered;
}

void agent_reply_free(struct agent_reply *reply)
{
    json_decref(reply->body);
    *reply = (struct agent_reply){0};
}
