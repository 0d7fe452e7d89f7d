#include "app/control.h"

#include "app/control_socket.h"
#include "base/cleanup.h"
#include "base/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OWNER_LOOK_S = 60 /* between two tries while the other agent cannot be watched */ };

struct control {
    sd_event *loop;
    struct workers *workers;
    struct serve *serve;
    struct serve_socket *socket; /* NULL: none is served */
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
    serve_unlisten(control->socket);
    control->socket = serve_listen(control->serve, take_fd(&making->fd), err);
    if (control->socket == NULL)
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
               making->is_open
                   ? ""
                   : "; set RUNTIME_DIRECTORY to a directory that this user may write, or "
                     "LEAFD_CONTROL_SOCKET to a path in one");
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
