#include "app/control.h"

#include "app/control_socket.h"
#include "base/cleanup.h"
#include "base/event.h"
#include "base/terminal.h"
#include "base/trust.h"
#include "http/http_call.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WAIT_S = 60,
    OWNER_LOOK_S = 60, /* between two tries while the other agent cannot be watched */
    REPLY_MOST_BYTES = 8 * 1024 * 1024 /* room for the problems of ten thousand sections */
};

/* -- the agent's side -----------------------------------------------------------------------------
 */

struct control {
    sd_event *loop;
    struct workers *workers;
    struct serve *serve;
    const char *file;
    struct slot *slot;
    struct control_making *making; /* the worker's until it ends */
    sd_event_source *wait; /* for the end of the agent that has the socket; NULL: none has it */
    int owner_fd;          /* its pidfd; -1: none */
    char folder[PATH_MAX], name[CONTROL_NAME_BYTES]; /* of the socket in use */
    struct control_identity made;                    /* likewise */
    bool told;
};

static void end_wait(struct control *control)
{
    control->wait = sd_event_source_disable_unref(control->wait);
    close_fd(&control->owner_fd);
}

static void take_over(struct control *control, struct control_making *making, struct err *err)
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
static void tell_failure(struct control *control, const struct control_making *making,
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
static void wait_for_owner(struct control *control, struct control_making *making)
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
    struct control_making *making = calloc(1, sizeof *making);
    struct lane_key lane;

    if (making != NULL)
        making->file = strdup(control->file);
    if (making == NULL || making->file == NULL) {
        free(making);
        return err_memory(err);
    }
    making->fd = making->owner_fd = -1;
    making->made = control->made;
    making->has_folder = control_socket_folder(making->folder);
    lane = lane_of(making->has_folder ? making->folder : making->file);
    control->making = making;
    control->slot = worker_start_in(control->workers, &lane, WORK_WHEN_IDLE, control_socket_make,
                                    making, control_making_free, on_made, control, err);
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

/* The exit waits for it as long as for other writes. */
static void start_removal(const struct control *control)
{
    const struct lane_key lane = lane_of(control->folder);
    struct control_removal *removal = calloc(1, sizeof *removal);
    struct err err;

    if (removal == NULL)
        return;
    memcpy(removal->folder, control->folder, sizeof removal->folder);
    memcpy(removal->name, control->name, sizeof removal->name);
    removal->made = control->made;
    worker_send(control->workers, &lane, control_socket_remove, removal, free, &err);
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
    char path[PATH_MAX + CONTROL_NAME_BYTES];
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
    if (!control_socket_connect(dir_fd, asking->name, &fd)) {
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
    char folder[PATH_MAX], path[PATH_MAX + CONTROL_NAME_BYTES] = "";
    struct err last = {.errnum = ENOENT};
    glob_t found = {0};
    bool is_found = false;

    if (control_socket_folder(folder)) {
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
    const struct sockaddr_un address = control_socket_address(asking->dir_fd, asking->name);
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
    char name[CONTROL_NAME_BYTES];
    struct asking asking = {.name = name, .dir_fd = -1};
    json_t *body = NULL;
    const char *text;
    json_int_t count;
    int code = EXIT_RETRY;
    struct err err;

    if (!control_socket_name(file, name, &err) ||
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
