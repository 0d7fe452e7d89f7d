#include "app/control.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/environment.h"
#include "base/event.h"
#include "base/terminal.h"
#include "base/trust.h"
#include "http/http_call.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    NAME_BYTES = 64, /* of the socket in its directory */
    STEM_BYTES = 33, /* of the part that comes from the configuration's name */
    DIGEST_SHOWN = 12,
    QUEUE = 128,
    WAIT_S = 60,
    OWNER_LOOK_S = 60, /* between two tries while the other agent cannot be watched */
    REPLY_MOST_BYTES = 8 * 1024 * 1024 /* room for the problems of ten thousand sections */
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

/*
 * Gives STEM-DIGEST.sock of the file's absolute path. No symbolic link on the way is resolved:
 * agent and command agree even if the link leads to another directory by then, as that of a
 * ConfigMap does after each change.
 */
static bool name_of(const char *file, char to[static NAME_BYTES], struct err *err)
{
    const char *slash = strrchr(file, '/'), *base = slash == NULL ? file : slash + 1;
    char here[PATH_MAX], path[PATH_MAX] = "", hex[DIGEST_HEX_BYTES], stem[STEM_BYTES];
    CLEANUP(digest_drop) struct digest digest = {0};

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
    snprintf(to, NAME_BYTES, "%s-%.*s.sock", stem, DIGEST_SHOWN, hex);
    return true;
}

/* The directory in which this process makes the socket; false if no variable names one. */
static bool own_folder(char to[static PATH_MAX])
{
    const char *given = environment_get("RUNTIME_DIRECTORY");
    const char *users = environment_get("XDG_RUNTIME_DIR");
    int length = -1;

    if (given != NULL && given[0] == '/')
        length = snprintf(to, PATH_MAX, "%.*s", (int)strcspn(given, ":"), given);
    else if (geteuid() == 0)
        length = snprintf(to, PATH_MAX, "/run/leafd");
    else if (users != NULL && users[0] == '/')
        length = snprintf(to, PATH_MAX, "%s/leafd", users);
    return length >= 0 && length < PATH_MAX;
}

/* Names the socket through the directory's descriptor: a path may be longer than sun_path, and may
 * change. */
static struct sockaddr_un address_of(int dir_fd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
    return address;
}

/* Connects without blocking. */
static bool connect_to(int dir_fd, const char *name, int *ret_fd)
{
    const struct sockaddr_un address = address_of(dir_fd, name);

    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return *ret_fd >= 0 && connect(*ret_fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

/* -- the agent's side -----------------------------------------------------------------------------
 */

/* Which socket file it is; {0}: none. The time tells apart two that got the same inode. */
struct identity {
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

/* A worker's job: makes the socket. */
struct making {
    char *file;
    int fd;       /* the listening socket; -1: not made */
    int owner_fd; /* a pidfd of the agent that listens there; -1: none, or it is not visible */
    char folder[PATH_MAX], name[NAME_BYTES], path[PATH_MAX + NAME_BYTES];
    struct identity made; /* before, and afterwards */
    bool has_folder;      /* a variable names a directory for it */
    bool is_open;         /* that directory is usable */
    bool is_there;        /* the socket that was made before still exists */
    bool is_taken;        /* another agent listens there */
};

struct control {
    sd_event *loop;
    struct workers *workers;
    struct serve *serve;
    const char *file;
    struct slot *slot;
    struct making *making; /* the worker's until it ends */
    sd_event_source *wait; /* for the end of the agent that has the socket; NULL: none has it */
    int owner_fd;          /* its pidfd; -1: none */
    char folder[PATH_MAX], name[NAME_BYTES]; /* of the socket in use */
    struct identity made;                    /* likewise */
    bool told;
};

static bool open_folder(const char *path, int *ret_fd, struct err *err)
{
    struct trust trust = {.user = geteuid()};

    if (mkdir(path, 0755) == 0)
        chmod(path, 0755);
    else if (errno != EEXIST)
        return err_errno(err, ERR_LOCAL, errno, "cannot make the directory %s", path);
    if (!trust_open_directory(&trust, path, ret_fd, err))
        return false;
    return faccessat(*ret_fd, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
           err_errno(err, ERR_LOCAL, errno, "cannot write the directory %s", path);
}

static struct identity identity_of(int dir_fd, const char *name)
{
    struct stat about;

    if (fstatat(dir_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return (struct identity){0};
    return (struct identity){about.st_dev, about.st_ino, about.st_ctim};
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->inode != 0 && a->inode == b->inode && a->device == b->device &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/*
 * Agents that wait for the same socket try at the same moment: without the lock, one could remove
 * what another has just made. Closing the descriptor releases it. The file stays, since a lock on a
 * file that was removed keeps nobody out.
 */
static bool lock_folder(int dir_fd, const struct making *making, int *ret_fd, struct err *err)
{
    char name[NAME_BYTES + sizeof ".lock"];

    snprintf(name, sizeof name, "%s.lock", making->name);
    *ret_fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return (*ret_fd >= 0 && flock(*ret_fd, LOCK_EX) == 0) ||
           err_errno(err, ERR_LOCAL, errno, "cannot lock %s.lock", making->path);
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

/* Removes the stale socket of a killed agent, but not one that a process listens at. */
static bool make_way(int dir_fd, struct making *making, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof peer;
    struct stat about;

    if (fstatat(dir_fd, making->name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ||
               err_errno(err, ERR_LOCAL, errno, "cannot look at %s", making->path);
    if (!S_ISSOCK(about.st_mode))
        return err_set(err, ERR_LOCAL, "%s exists and is no socket; remove it", making->path);
    if (connect_to(dir_fd, making->name, &fd) || errno != ECONNREFUSED) {
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
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

static bool listen_at(int dir_fd, struct making *making, struct err *err)
{
    const struct sockaddr_un address = address_of(dir_fd, making->name);
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* No client can connect before listen(2); umask 077 sets the mode until then. */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        fchmodat(dir_fd, making->name, 0600, 0) != 0 || listen(fd, QUEUE) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot listen at %s", making->path);
    making->made = identity_of(dir_fd, making->name);
    making->fd = take_fd(&fd);
    return true;
}

static bool make(void *job, struct err *err)
{
    CLEANUP(close_fd) int dir_fd = -1;
    CLEANUP(close_fd) int lock_fd = -1;
    struct making *making = job;
    struct identity now;

    if (!making->has_folder)
        return err_set(err, ERR_LOCAL,
                       "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR names a directory for the "
                       "control socket");
    if (!name_of(making->file, making->name, err))
        return false;
    snprintf(making->path, sizeof making->path, "%s/%s", making->folder, making->name);
    making->is_open = open_folder(making->folder, &dir_fd, err);
    if (!making->is_open)
        return false;
    now = identity_of(dir_fd, making->name);
    making->is_there = is_same(&making->made, &now);
    return making->is_there || (lock_folder(dir_fd, making, &lock_fd, err) &&
                                make_way(dir_fd, making, err) && listen_at(dir_fd, making, err));
}

static void free_making(void *job)
{
    struct making *making = job;

    close_fd(&making->fd);
    close_fd(&making->owner_fd);
    free(making->file);
    free(making);
}

static void end_wait(struct control *control)
{
    control->wait = sd_event_source_disable_unref(control->wait);
    close_fd(&control->owner_fd);
}

static void take_over(struct control *control, struct making *making, struct err *err)
{
    if (!serve_listen(control->serve, take_fd(&making->fd), making->path, err))
        return;
    control->made = making->made;
    memcpy(control->folder, making->folder, sizeof control->folder);
    memcpy(control->name, making->name, sizeof control->name);
    if (control->told)
        event_emit(&(struct event){.kind = EVENT_CONTROL_BACK},
                   "`leafd reload` reaches this agent now, at %s", making->path);
    control->told = false;
}

/* If no variable names a directory, as in a pod, the operator does not expect a socket: no warning.
 */
static void tell_failure(struct control *control, const struct making *making,
                         const struct err *err)
{
    if (control->told)
        return;
    control->told = true;
    event_emit(&(struct event){.kind = EVENT_CONTROL_FAILED,
                               .level = making->has_folder ? 0 : LOG_LEVEL_INFO},
               "`leafd reload` cannot reach this agent, SIGHUP can: %s%s", err->text,
               making->is_open ? ""
                               : "; set RUNTIME_DIRECTORY to a directory that this user may write");
}

static int on_owner_ended(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    (void)source;
    (void)fd;
    (void)events;
    control_renew(arg);
    return 0;
}

static int on_owner_look(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    control_renew(arg);
    return 0;
}

/* If that fails, the next configuration that is applied makes the socket. */
static void wait_for_owner(struct control *control, struct making *making)
{
    control->owner_fd = take_fd(&making->owner_fd);
    if (control->owner_fd >= 0)
        sd_event_add_io(control->loop, &control->wait, control->owner_fd, EPOLLIN, on_owner_ended,
                        control);
    else
        sd_event_add_time_relative(control->loop, &control->wait, CLOCK_BOOTTIME,
                                   OWNER_LOOK_S * 1000000ULL, 0, on_owner_look, control);
}

static void on_made(void *arg, const struct err *make_err)
{
    struct control *control = arg;
    struct err err = *make_err;

    if (err.kind == ERR_NONE && !control->making->is_there)
        take_over(control, control->making, &err);
    if (err.kind != ERR_NONE)
        tell_failure(control, control->making, &err);
    if (control->making->is_taken)
        wait_for_owner(control, control->making);
    control->making = NULL;
    control->slot = slot_drop(control->slot);
}

static bool start(struct control *control, struct err *err)
{
    struct making *making = calloc(1, sizeof *making);
    struct lane_key lane;

    if (making != NULL)
        making->file = strdup(control->file);
    if (making == NULL || making->file == NULL) {
        free(making);
        return err_memory(err);
    }
    making->fd = making->owner_fd = -1;
    making->made = control->made;
    making->has_folder = own_folder(making->folder);
    lane = lane_of(making->has_folder ? making->folder : making->file);
    control->making = making;
    control->slot = worker_start_in(control->workers, &lane, WORK_WHEN_IDLE, make, making,
                                    free_making, on_made, control, err);
    return control->slot != NULL;
}

bool control_open(sd_event *loop, struct workers *workers, struct serve *serve, const char *file,
                  struct control **ret_control, struct err *err)
{
    struct control *control = calloc(1, sizeof *control);

    if (control == NULL)
        return err_memory(err);
    control->loop = loop;
    control->workers = workers;
    control->serve = serve;
    control->file = file;
    control->owner_fd = -1;
    *ret_control = control;
    return start(control, err);
}

void control_renew(struct control *control)
{
    struct err err;

    end_wait(control);
    if (control->slot == NULL)
        start(control, &err);
}

/* A worker's job: removes the socket, unless another agent has made one there since. */
struct removal {
    char folder[PATH_MAX], name[NAME_BYTES];
    struct identity made;
};

static bool remove_socket(void *job, struct err *err)
{
    CLEANUP(close_fd) int dir_fd = -1;
    const struct removal *removal = job;
    struct trust trust = {.user = geteuid()};
    struct identity now;

    if (!trust_open_directory(&trust, removal->folder, &dir_fd, err))
        return false;
    now = identity_of(dir_fd, removal->name);
    if (is_same(&removal->made, &now))
        unlinkat(dir_fd, removal->name, 0);
    return true;
}

/* The exit waits for it as long as for other writes. */
static void start_removal(const struct control *control)
{
    const struct lane_key lane = lane_of(control->folder);
    struct removal *removal = calloc(1, sizeof *removal);
    struct err err;

    if (removal == NULL)
        return;
    memcpy(removal->folder, control->folder, sizeof removal->folder);
    memcpy(removal->name, control->name, sizeof removal->name);
    removal->made = control->made;
    worker_send(control->workers, &lane, remove_socket, removal, free, &err);
}

void control_close(struct control *control)
{
    if (control == NULL)
        return;
    slot_drop(control->slot);
    end_wait(control);
    if (control->made.inode != 0)
        start_removal(control);
    free(control);
}

/* -- the commands' side ---------------------------------------------------------------------------
 */

struct asking {
    const char *name; /* of the socket */
    int dir_fd;
    char path[PATH_MAX + NAME_BYTES];
    sd_event *loop;
    struct http_loop *http;
    struct http_response response;
    struct err err;
    bool answered;
};

/* Whether an agent listens at the socket; its user is root, this user or the socket's owner. */
static bool answers(struct asking *asking, const char *path, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    CLEANUP(close_fd) int dir_fd = -1;
    char folder[PATH_MAX];
    struct stat about;

    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    dir_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || fstatat(dir_fd, asking->name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(err, ERR_LOCAL, errno, "%s", path);
    if (!connect_to(dir_fd, asking->name, &fd)) {
        if (errno == ECONNREFUSED)
            return err_set(err, ERR_LOCAL, "%s: the agent that made this socket has ended", path);
        if (errno == EACCES)
            return err_set(
                err, ERR_LOCAL,
                "%s is only for uid %u and root; run this command as one of them, or with sudo",
                path, (unsigned)about.st_uid);
        return err_errno(err, ERR_LOCAL, errno, "cannot connect to %s", path);
    }
    if (!trust_peer(fd, about.st_uid, path, err))
        return false;
    asking->dir_fd = take_fd(&dir_fd);
    snprintf(asking->path, sizeof asking->path, "%s", path);
    return true;
}

/* Searches the own directory and those of leafd's units. */
static bool find(struct asking *asking, const char *file, struct err *err)
{
    char folder[PATH_MAX], path[PATH_MAX + NAME_BYTES] = "";
    struct err last = {.errnum = ENOENT};
    glob_t found = {0};
    bool is_found = false;

    if (own_folder(folder)) {
        snprintf(path, sizeof path, "%s/%s", folder, asking->name);
        is_found = answers(asking, path, &last);
    }
    snprintf(folder, sizeof folder, "/run/leafd*/%s", asking->name);
    if (!is_found && glob(folder, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && !is_found; i++)
            is_found = answers(asking, found.gl_pathv[i], &last);
    globfree(&found);
    if (is_found)
        return true;
    if (last.errnum != ENOENT)
        return err_set(err, ERR_LOCAL, "cannot ask the agent: %s", last.text);
    return err_set(err, ERR_LOCAL,
                   "no agent answers for %s at %s%s%s; check that it runs (leafd run -c %s) and "
                   "has the same RUNTIME_DIRECTORY",
                   file, path, path[0] == '\0' ? "" : " or ", folder, file);
}

static void on_answered(void *arg, const struct err *err)
{
    struct asking *asking = arg;

    asking->err = *err;
    asking->answered = true;
}

static bool send_request(struct asking *asking, const char *method, const char *path,
                         uint64_t wait_s, struct err *err)
{
    const struct sockaddr_un address = address_of(asking->dir_fd, asking->name);
    const struct http_peer peer = {.unix_socket = address.sun_path,
                                   .plain = true,
                                   .own_connection = true,
                                   .timeout_s = wait_s,
                                   .connect_timeout_s = wait_s};
    char url[PATH_MAX];
    const struct http_request request = {.peer = &peer,
                                         .method = method,
                                         .url = url,
                                         .headers = {"Content-Length: 0"},
                                         .reply_most_bytes = REPLY_MOST_BYTES};
    struct slot *slot;
    int r = 0;

    snprintf(url, sizeof url, "http://leafd%s", path);
    slot = http_call_start(asking->http, &request, &asking->response, on_answered, asking, err);
    if (slot == NULL)
        return false;
    while (!asking->answered && r >= 0)
        r = sd_event_run(asking->loop, UINT64_MAX);
    slot_drop(slot);
    *err = asking->err;
    if (err->kind == ERR_NONE)
        return true;
    return err_wrap(err, "the agent at %s has not answered", asking->path);
}

/* Sends the request to the agent and gives the reply, which must be a JSON object. */
static bool ask(struct asking *asking, const char *file, const char *path, uint64_t wait_s,
                json_t **ret_body, struct err *err)
{
    const struct bytes *body = &asking->response.body;

    if (!find(asking, file, err) || !http_library_open(err))
        return false;
    if (sd_event_new(&asking->loop) < 0)
        return err_memory(err);
    if (!http_loop_open(asking->loop, NULL, 1, 1, &asking->http, err) ||
        !send_request(asking, "POST", path, wait_s, err))
        return false;
    *ret_body = json_loadb(bytes_text(body), body->length, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(*ret_body) ||
           err_set(err, ERR_LOCAL,
                   "the process that listens at %s is no leafd agent: its reply is no JSON object",
                   asking->path);
}

static void end_asking(struct asking *asking)
{
    http_response_free(&asking->response);
    http_loop_close(asking->http);
    sd_event_unref(asking->loop);
    close_fd(&asking->dir_fd);
}

static int tell_refusal(const json_t *problems)
{
    const json_t *problem;
    size_t i;

    json_array_foreach (problems, i, problem)
        terminal_line(stderr, "%s", json_string_value(problem));
    terminal_line(stderr, "leafd: the agent refused this configuration and keeps the previous one");
    return EXIT_USAGE;
}

int control_reload(const char *file, uint64_t wait_s)
{
    char name[NAME_BYTES];
    struct asking asking = {.name = name, .dir_fd = -1};
    json_t *body = NULL;
    const char *text;
    json_int_t count;
    int code = EXIT_RETRY;
    struct err err;

    if (!name_of(file, name, &err) ||
        !ask(&asking, file, CONTROL_RELOAD, wait_s == 0 ? WAIT_S : wait_s, &body, &err)) {
        terminal_line(stderr, "leafd: %s", err.text);
    } else if (asking.response.status == CONTROL_APPLIED) {
        count = json_integer_value(json_object_get(body, "certificates"));
        terminal_line(stdout, "the agent applied the configuration: %lld certificate%s",
                      (long long)count, count == 1 ? "" : "s");
        code = EXIT_FINE;
    } else if (asking.response.status == CONTROL_REFUSED) {
        code = tell_refusal(json_object_get(body, "problems"));
    } else {
        text = json_string_value(json_object_get(body, "error"));
        terminal_line(stderr, "leafd: the agent at %s answered %d: %s", asking.path,
                      asking.response.status, text == NULL ? "" : text);
    }
    json_decref(body);
    end_asking(&asking);
    return code;
}
