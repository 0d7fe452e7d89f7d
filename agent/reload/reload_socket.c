#include "reload/reload_socket.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hide.h"
#include "base/secret.h"
#include "base/trust.h"
#include "reload/reload_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    PAYLOAD_MOST_BYTES = 128 * 1024,
    MESSAGE_MOST_BYTES = PAYLOAD_MOST_BYTES + 4096,
    ANSWER_MOST_BYTES = 64 * 1024,
    TOLD_BYTES = 200,
    KNOCK_EVERY_MS = 100, /* where the queue of connections is full */
    ABORT_LIMIT_S = 5
};

/* What the worker's thread has to itself: a connection, and what is to be said there. */
struct opening {
    struct arena arena;
    const char *socket, *line, *payload;
    uid_t user;
    int fd;
    bool is_full; /* the queue of those who want to connect */
    struct secret message;
};

struct conversation {
    struct slot slot;
    sd_event *loop;
    struct workers *workers;
    sd_event_source *io, *limit, *knock;
    struct slot *work;
    struct opening *opening; /* the worker's */
    int fd;
    const struct socket_order *order;
    struct arena arena;
    const char *line; /* the order's, or the abort */
    struct secret message;
    size_t sent;
    struct bytes answer;
    struct err failure; /* what goes out when the abort has ended */
    bool was_open, aborting, over;
};

static void close_connection(struct conversation *talk)
{
    talk->work = slot_drop(talk->work);
    talk->io = sd_event_source_disable_unref(talk->io);
    talk->knock = sd_event_source_disable_unref(talk->knock);
    close_fd(&talk->fd);
}

static void destroy_conversation(struct slot *slot)
{
    struct conversation *talk = (struct conversation *)slot;

    close_connection(talk);
    sd_event_source_disable_unref(talk->limit);
    secret_wipe(&talk->message);
    bytes_free(&talk->answer);
    arena_free(&talk->arena);
    slot_free(slot);
}

/* -- what is sent ---------------------------------------------------------------------------------
 */

/* Adds the lines that are not empty: an empty one would end the payload. */
static bool add_lines(struct bytes *message, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        size_t kept = length > 0 && text[length - 1] == '\r' ? length - 1 : length;

        if (kept > 0 && (!bytes_add(message, text, kept) || !bytes_add(message, "\n", 1)))
            return false;
        text += length + (text[length] == '\n');
    }
    return true;
}

static bool write_message(struct opening *opening, struct err *err)
{
    CLEANUP(bytes_free) struct bytes message = {.limit = MESSAGE_MOST_BYTES};
    CLEANUP(bytes_free) struct bytes file = {.limit = PAYLOAD_MOST_BYTES};
    bool written = bytes_add(&message, opening->line, strlen(opening->line));

    if (opening->payload != NULL) {
        if (!file_read_at(AT_FDCWD, opening->payload, &file, err)) {
            err->kind = ERR_CONSUMER;
            return err_wrap(err, "reload");
        }
        written = written && bytes_add(&message, " <<\n", 4);
        hide_learn_keys(bytes_text(&file));
        written = written && add_lines(&message, bytes_text(&file));
    }
    if (!written || !bytes_add(&message, "\n", 1))
        return err_set(err, ERR_LOCAL, "reload: what is to be sent to %s is too long",
                       opening->socket);
    return secret_keep(&opening->message, message.data, message.length, err);
}

/* -- the connection -------------------------------------------------------------------------------
 */

static bool refuse(const char *socket, struct err *err)
{
    if (err->errnum == ENOENT)
        return err_errno(err, ERR_CONSUMER, ENOENT, "reload: cannot connect to %s", socket);
    return err_wrap(err, "reload: nothing is sent");
}

/*
 * Opens what is to be connected to, so that nothing else can take its place between judgement and
 * connect(2). A link would lead out of the directory that was judged.
 */
static bool find_socket(const struct opening *opening, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int dir_fd = -1;
    struct trust trust = {.user = opening->user};
    const char *name = NULL;
    struct stat about;

    if (!trust_open_parent(&trust, opening->socket, &dir_fd, &name, err)) {
        if (err->errnum == EPERM)
            err_append(err, "; have the consumer listen in a directory of root's, such as "
                            "/run/NAME.sock");
        return refuse(opening->socket, err);
    }
    *ret_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd < 0 || fstat(*ret_fd, &about) != 0)
        return err_errno(err, ERR_CONSUMER, errno, "reload: cannot connect to %s", opening->socket);
    if (S_ISLNK(about.st_mode))
        return err_set(err, ERR_LOCAL,
                       "reload: %s is a link, which is not followed; name the socket itself",
                       opening->socket);
    return true;
}

/*
 * Connects, and reads the file when it is clear who listens. A Unix socket connects at once, or not
 * at all, or says EAGAIN: its queue is full, connect(2).
 */
static bool run_opening(void *job, struct err *err)
{
    CLEANUP(close_fd) int socket_fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct opening *opening = job;
    const char *path = opening->socket;

    if (!find_socket(opening, &socket_fd, err))
        return false;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", socket_fd);
    opening->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (opening->fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "reload: cannot make a socket");
    if (connect(opening->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        opening->is_full = errno == EAGAIN;
        return opening->is_full ||
               err_errno(err, ERR_CONSUMER, errno, "reload: cannot connect to %s", path);
    }
    if (!trust_peer(opening->fd, opening->user, path, err)) {
        if (err->errnum == EPERM)
            err_append(err, "; write `socket PATH user NAME` if that is the consumer's user");
        return refuse(path, err);
    }
    return write_message(opening, err);
}

static void free_opening(void *job)
{
    struct opening *opening = job;

    close_fd(&opening->fd);
    secret_wipe(&opening->message);
    arena_free(&opening->arena);
    free(opening);
}

static void on_opened(void *arg, const struct err *err);

/* Has a worker connect: the walk to the socket and the file may be on a mount that hangs. */
static bool open_connection(struct conversation *talk, struct err *err)
{
    const struct socket_order *order = talk->order;
    struct opening *opening = calloc(1, sizeof *opening);

    if (opening == NULL)
        return err_memory(err);
    opening->fd = -1;
    opening->user = order->user;
    opening->socket = arena_copy(&opening->arena, order->socket);
    opening->line = arena_copy(&opening->arena, talk->line);
    if (order->payload != NULL && !talk->aborting)
        opening->payload = arena_copy(&opening->arena, order->payload);
    if (opening->socket == NULL || opening->line == NULL ||
        (opening->payload == NULL && order->payload != NULL && !talk->aborting)) {
        free_opening(opening);
        return err_memory(err);
    }
    talk->opening = opening;
    talk->work = worker_start(talk->workers, WORK_NEXT, run_opening, opening, free_opening,
                              on_opened, talk, err);
    return talk->work != NULL;
}

/* -- how it ends ----------------------------------------------------------------------------------
 */

static void finish(struct conversation *talk, const struct err *err)
{
    close_connection(talk);
    talk->over = true;
    slot_finish(&talk->slot, err);
}

/* Says abort where the line may have begun something; false if there is nothing to say, or nobody.
 */
static bool start_abort(struct conversation *talk)
{
    const char *undo = reload_answer_undo(&talk->arena, talk->line, bytes_text(&talk->answer));
    struct err ignored;

    close_connection(talk);
    bytes_free(&talk->answer);
    if (undo == NULL || talk->aborting || !talk->was_open)
        return false;
    talk->aborting = true;
    talk->line = undo;
    sd_event_source_set_time_relative(talk->limit, ABORT_LIMIT_S * 1000000ULL);
    sd_event_source_set_enabled(talk->limit, SD_EVENT_ONESHOT);
    return open_connection(talk, &ignored);
}

/* The line has failed; an abort that failed is not told: what it is for has been. */
static void fail(struct conversation *talk, const struct err *err)
{
    if (!talk->aborting)
        talk->failure = *err;
    if (!start_abort(talk))
        finish(talk, &talk->failure);
}

/* The answer is complete. */
static void judge(struct conversation *talk)
{
    const char *answer = bytes_text(&talk->answer);
    const char *problem = reload_answer_problem(talk->line, answer);
    char told[TOLD_BYTES];
    struct err err;

    if (talk->aborting) {
        finish(talk, &talk->failure);
        return;
    }
    if (problem == NULL) {
        secret_wipe(&talk->message);
        finish(talk, NULL);
        return;
    }
    hide_foreign(told, sizeof told, answer);
    err_set(&err, ERR_CONSUMER, "reload: %s: %s: the consumer %s%s%s", talk->order->socket,
            reload_answer_subject(talk->line), problem, told[0] == '\0' ? "" : ": ", told);
    fail(talk, &err);
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct conversation *talk = arg;
    struct err err;

    (void)source;
    (void)now_us;
    if (talk->over) /* and waits for its turn of the loop */
        return 0;
    err_set(&err, ERR_CONSUMER, "reload: %s: %s: the consumer did not answer within %llus",
            talk->order->socket, reload_answer_subject(talk->line),
            (unsigned long long)talk->order->limit_s);
    fail(talk, &err);
    return 0;
}

/* -- the talk -------------------------------------------------------------------------------------
 */

/* Sends what the socket takes. Whoever closes early may have answered: what he said is read. */
static void send_on(struct conversation *talk)
{
    const char *bytes = secret_expose(&talk->message);

    while (talk->sent < talk->message.length) {
        ssize_t sent =
            send(talk->fd, bytes + talk->sent, talk->message.length - talk->sent, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (sent < 0)
            break;
        talk->sent += (size_t)sent;
    }
    sd_event_source_set_io_events(talk->io, EPOLLIN);
}

static bool is_complete(const struct bytes *answer)
{
    const char *text = bytes_text(answer);

    return answer->length > 0 && text[answer->length - 1] == '\n' &&
           (answer->length == 1 || text[answer->length - 2] == '\n');
}

/* Reads what is there; true when the answer is complete. */
static bool read_on(struct conversation *talk, struct err *err)
{
    char part[4096];
    ssize_t got;

    while ((got = recv(talk->fd, part, sizeof part, 0)) > 0)
        if (!bytes_add(&talk->answer, part, (size_t)got))
            return !err_set(
                err, ERR_CONSUMER, "reload: %s: %s: the consumer answers more than %d bytes",
                talk->order->socket, reload_answer_subject(talk->line), ANSWER_MOST_BYTES);
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        return true;
    return is_complete(&talk->answer);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct conversation *talk = arg;
    struct err err = {.kind = ERR_NONE};

    (void)source;
    (void)fd;
    if ((events & EPOLLOUT) != 0)
        send_on(talk);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || !read_on(talk, &err))
        return 0;
    if (err.kind != ERR_NONE)
        fail(talk, &err);
    else
        judge(talk);
    return 0;
}

static int on_knock(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct conversation *talk = arg;
    struct err err;

    (void)source;
    (void)now_us;
    close_connection(talk);
    if (!open_connection(talk, &err))
        fail(talk, &err);
    return 0;
}

static void on_opened(void *arg, const struct err *opening_err)
{
    struct conversation *talk = arg;
    struct opening *opening = talk->opening;
    struct err err = *opening_err;
    int r;

    if (err.kind != ERR_NONE) {
        fail(talk, &err);
        return;
    }
    if (opening->is_full) {
        r = sd_event_add_time_relative(talk->loop, &talk->knock, CLOCK_BOOTTIME,
                                       KNOCK_EVERY_MS * 1000ULL, 0, on_knock, talk);
    } else {
        talk->fd = take_fd(&opening->fd);
        talk->was_open = true;
        secret_move(&talk->message, &opening->message);
        talk->sent = 0;
        r = sd_event_add_io(talk->loop, &talk->io, talk->fd, EPOLLIN | EPOLLOUT, on_io, talk);
    }
    talk->work = slot_drop(talk->work);
    if (r >= 0)
        return;
    err_errno(&err, ERR_LOCAL, -r, "reload: cannot watch %s", talk->order->socket);
    fail(talk, &err);
}

struct slot *reload_socket_start(sd_event *loop, struct workers *workers,
                                 const struct socket_order *order, slot_done *on_done, void *arg,
                                 struct err *err)
{
    struct conversation *talk =
        slot_new(sizeof *talk, loop, destroy_conversation, on_done, arg, err);
    int r;

    if (talk == NULL)
        return NULL;
    talk->loop = loop;
    talk->workers = workers;
    talk->fd = -1;
    talk->order = order;
    talk->line = order->line;
    talk->answer.limit = ANSWER_MOST_BYTES;
    r = sd_event_add_time_relative(loop, &talk->limit, CLOCK_BOOTTIME, order->limit_s * 1000000, 0,
                                   on_limit, talk);
    if (r < 0)
        err_errno(err, ERR_LOCAL, -r, "reload: cannot watch %s", order->socket);
    if (r >= 0 && open_connection(talk, err))
        return &talk->slot;
    destroy_conversation(&talk->slot);
    return NULL;
}
