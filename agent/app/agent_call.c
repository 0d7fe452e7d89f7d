#include "app/agent_call.h"

#include "app/control_socket.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
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

/* What is asked, and of which agent. */
struct question {
    const char *file, *method, *path;
    const char *body; /* NULL: none */
    uint64_t wait_s;
    bool everywhere;
};

/* -- the connection -------------------------------------------------------------------------------
 */

static bool tell_unconnected(const char *path, uid_t owner, int errnum, struct err *err)
{
    if (errnum == ECONNREFUSED)
        err_set(err, ERR_LOCAL,
                "%s: the agent that made this socket has ended; start it with its unit, or with "
                "leafd run",
                path);
    else if (errnum == EACCES)
        err_set(err, ERR_LOCAL, "%s is only for %s%.0u; run this command as root, or with sudo",
                path, owner == 0 ? "root" : "root and uid ", (unsigned)owner);
    else
        err_errno(err, ERR_LOCAL, errnum, "cannot connect to %s", path);
    err->errnum = errnum;
    return false;
}

/* Connects to the agent at the socket; its user is root, this user or the directory's owner. */
static bool reach(struct call *call, const char *path, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    CLEANUP(close_fd) int dir_fd = -1;
    char folder[PATH_MAX];
    struct stat about;
    uid_t agent;

    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (!control_socket_search(folder, &dir_fd, &agent, err))
        return false;
    if (fstatat(dir_fd, call->name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(err, ERR_LOCAL, errno, "%s", path);
    if (!control_socket_connect(dir_fd, call->name, &fd))
        return tell_unconnected(path, about.st_uid, errno, err);
    if (!trust_peer(fd, agent, path, err))
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

static bool send_all(const struct call *call, const char *bytes, size_t length, struct err *err)
{
    while (length > 0) {
        ssize_t sent = send(call->fd, bytes, length, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return err_errno(err, ERR_LOCAL, errno, "cannot ask the agent at %s", call->path);
        if (sent < 0 && !await(call, POLLOUT, err))
            return false;
        bytes += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static bool send_request(const struct call *call, const struct question *question, struct err *err)
{
    char head[REQUEST_BYTES];
    size_t length = question->body == NULL ? 0 : strlen(question->body);
    int written = snprintf(head, sizeof head, "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n",
                           question->method, question->path, length);

    return send_all(call, head, (size_t)written, err) &&
           send_all(call, length == 0 ? "" : question->body, length, err);
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
    if (json_is_object(ret_reply->body))
        return true;
    if (reply->length == 0)
        return err_set(err, ERR_LOCAL, "the agent at %s ended before it answered", call->path);
    return err_set(err, ERR_LOCAL,
                   "the process that listens at %s is no leafd agent: its reply is no JSON object",
                   call->path);
}

static bool ask(const struct question *question, struct agent_reply *ret_reply, struct err *err)
{
    CLEANUP(bytes_free) struct bytes reply = {.limit = REPLY_MOST_BYTES};
    struct call call = {.fd = -1, .until_us = clock_boot_us() + question->wait_s * 1000000};
    bool answered = control_socket_name(question->file, call.name, err) &&
                    find(&call, question->file, question->everywhere, err) &&
                    send_request(&call, question, err) && receive(&call, &reply, err) &&
                    read_reply(&call, &reply, ret_reply, err);

    close_fd(&call.fd);
    return answered;
}

bool agent_call(const char *file, const char *method, const char *path, uint64_t wait_s,
                bool everywhere, struct agent_reply *ret_reply, struct err *err)
{
    const struct question question = {file, method, path, NULL, wait_s, everywhere};

    return ask(&question, ret_reply, err);
}

bool agent_post(const char *file, const char *path, const json_t *body, uint64_t wait_s,
                bool everywhere, struct agent_reply *ret_reply, struct err *err)
{
    CLEANUP(free_memory) char *text = json_text(body, JSON_COMPACT);
    const struct question question = {file, "POST", path, text, wait_s, everywhere};

    return text == NULL ? err_memory(err) : ask(&question, ret_reply, err);
}

void agent_reply_free(struct agent_reply *reply)
{
    json_decref(reply->body);
    *reply = (struct agent_reply){0};
}
