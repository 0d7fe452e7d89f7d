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

struct conversation {
    struct slot slot;
    sd_event *loop;
    sd_event_source *io, *limit, *knock;
    int fd;
    const struct socket_order *order;
    struct arena arena;
    const char *line; /* the order's, or the abort */
    struct secret message;
    size_t sent;
    struct bytes answer;
    struct err failure; /* what goes out when the abort has ended */
    bool aborting;
};

static void close_connection(struct conversation *talk)
{
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
    slot_close(&talk->slot);
    free(talk);
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

static bool write_message(struct conversation *talk, const char *payload, struct err *err)
{
    CLEANUP(bytes_free) struct bytes message = {.limit = MESSAGE_MOST_BYTES};
    CLEANUP(bytes_free) struct bytes file = {.limit = PAYLOAD_MOST_BYTES};
    bool written = bytes_add(&message, talk->line, strlen(talk->line));

    if (payload != NULL) {
        if (!file_read_at(AT_FDCWD, payload, &file, err)) {
            err->kind = ERR_CONSUMER;
            return err_wrap(err, "reload");
        }
        written = written && bytes_add(&message, " <<\n", 4);
        hide_learn_keys(bytes_text(&file));
        written = written && add_lines(&message, bytes_text(&file));
    }
    if (!written || !bytes_add(&message, "\n", 1))
        return err_set(err, ERR_LOCAL, "reload: what is to be sent to %s is too long",
                       talk->order->socket);
    talk->sent = 0;
    return secret_keep(&talk->message, message.data, message.length, err);
}

/* -- how it ends ----------------------------------------------------------------------------------
 */

static bool open_connection(struct conversation *talk, struct err *err);

/* Says abort where the line has begun something; false if there is nothing to say, or nobody. */
static bool start_abort(struct conversation *talk)
{
    const char *undo = reload_answer_undo(&talk->arena, talk->line, bytes_text(&talk->answer));
    struct err ignored;

    close_connection(talk);
    bytes_free(&talk->answer);
    if (undo == NULL || talk->aborting)
        return false;
    talk->aborting = true;
    talk->line = undo;
    sd_event_source_set_time_relative(talk->limit, ABORT_LIMIT_S * 1000000ULL);
    sd_event_source_set_enabled(talk->limit, SD_EVENT_ONESHOT);
    return write_message(talk, NULL, &ignored) && open_connection(talk, &ignored);
}

/* The line has failed; an abort that failed is not told: what it is for has been. */
static void fail(struct conversation *talk, const struct err *err)
{
    if (!talk->aborting)
        talk->failure = *err;
    if (!start_abort(talk))
        slot_finish(&talk->slot, &talk->failure);
}

/* The answer is complete. */
static void judge(struct conversation *talk)
{
    const char *answer = bytes_text(&talk->answer);
    const char *problem = reload_answer_problem(talk->line, answer);
    char told[TOLD_BYTES];
    struct err err;

    if (talk->aborting) {
        close_connection(talk);
        slot_finish(&talk->slot, &talk->failure);
        return;
    }
    if (problem == NULL) {
        close_connection(talk);
        secret_wipe(&talk->message);
        slot_finish(&talk->slot, NULL);
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
    /* Not while the end waits for its turn of the loop. */
    if (talk->fd < 0 && talk->knock == NULL)
        return 0;
    err_set(&err, ERR_CONSUMER, "reload: %s: %s: the consumer did not answer within %llus",
            talk->order->socket, reload_answer_subject(talk->line),
            (unsigned long long)talk->order->limit_s);
    fail(talk, &err);
    return 0;
}

/* -- the connection -------------------------------------------------------------------------------
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

static bool refuse(const struct socket_order *order, struct err *err)
{
    if (err->errnum == ENOENT)
        return err_errno(err, ERR_CONSUMER, ENOENT, "reload: cannot connect to %s", order->socket);
    return err_wrap(err, "reload: nothing is sent");
}

/*
 * Opens what is to be connected to, so that nothing else can take its place between judgement and
 * connect(2). A link would lead out of the directory that was judged.
 */
static bool find_socket(const struct socket_order *order, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int dir_fd = -1;
    struct trust trust = {.user = order->user};
    const char *name = NULL;
    struct stat about;

    if (!trust_open_parent(&trust, order->socket, &dir_fd, &name, err)) {
        if (err->errnum == EPERM)
            err_append(err, "; have the consumer listen in a directory of root's, such as "
                            "/run/NAME.sock");
        return refuse(order, err);
    }
    *ret_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd < 0 || fstat(*ret_fd, &about) != 0)
        return err_errno(err, ERR_CONSUMER, errno, "reload: cannot connect to %s", order->socket);
    if (S_ISLNK(about.st_mode))
        return err_set(err, ERR_LOCAL,
                       "reload: %s is a link, which is not followed; name the socket itself",
                       order->socket);
    return true;
}

/* A Unix socket connects at once, or not at all, or says EAGAIN: its queue is full, connect(2). */
static bool open_connection(struct conversation *talk, struct err *err)
{
    CLEANUP(close_fd) int socket_fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = talk->order->socket;
    int r;

    if (!find_socket(talk->order, &socket_fd, err))
        return false;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", socket_fd);
    talk->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (talk->fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "reload: cannot make a socket");
    r = connect(talk->fd, (const struct sockaddr *)&address, sizeof address);
    if (r != 0 && errno != EAGAIN) {
        err_errno(err, ERR_CONSUMER, errno, "reload: cannot connect to %s", path);
        close_fd(&talk->fd);
        return false;
    }
    if (r == 0 && !trust_peer(talk->fd, talk->order->user, path, err)) {
        close_fd(&talk->fd);
        if (err->errnum == EPERM)
            err_append(err, "; write `socket PATH user NAME` if that is the consumer's user");
        return refuse(talk->order, err);
    }
    if (r != 0)
        r = sd_event_add_time_relative(talk->loop, &talk->knock, CLOCK_BOOTTIME,
                                       KNOCK_EVERY_MS * 1000ULL, 0, on_knock, talk);
    else
        r = sd_event_add_io(talk->loop, &talk->io, talk->fd, EPOLLIN | EPOLLOUT, on_io, talk);
    if (r >= 0)
        return true;
    close_fd(&talk->fd);
    return err_errno(err, ERR_LOCAL, -r, "reload: cannot watch %s", path);
}

struct slot *reload_socket_start(sd_event *loop, const struct socket_order *order,
                                 slot_done *on_done, void *arg, struct err *err)
{
    struct conversation *talk = calloc(1, sizeof *talk);
    int r;

    if (talk == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&talk->slot, loop, destroy_conversation, on_done, arg, err)) {
        free(talk);
        return NULL;
    }
    talk->loop = loop;
    talk->fd = -1;
    talk->order = order;
    talk->line = order->line;
    talk->answer.limit = ANSWER_MOST_BYTES;
    r = sd_event_add_time_relative(loop, &talk->limit, CLOCK_BOOTTIME, order->limit_s * 1000000, 0,
                                   on_limit, talk);
    if (r < 0)
        err_errno(err, ERR_LOCAL, -r, "reload: cannot watch %s", order->socket);
    if (r >= 0 && write_message(talk, order->payload, err) && open_connection(talk, err))
        return &talk->slot;
    destroy_conversation(&talk->slot);
    return NULL;
}
