#include "reload/reload_socket.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hide.h"
#include "base/secret.h"
#include "base/socket_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    PAYLOAD_MOST_BYTES = 128 * 1024,
    MESSAGE_MOST_BYTES = PAYLOAD_MOST_BYTES + 4096,
    ANSWER_MOST_BYTES = 64 * 1024,
    TOLD_BYTES = 200,
    KNOCK_EVERY_MS = 100, /* between tries to connect while the listen queue is full */
    ABORT_LIMIT_S = 5
};

/* -- what is answered -----------------------------------------------------------------------------
 */

enum step { STEP_OTHER, STEP_SET, STEP_COMMIT, STEP_ABORT, STEP_COUNT };

/* A part of a borrowed text. */
struct word {
    const char *at;
    size_t length;
};

/* A line of HAProxy's runtime API about a transaction. */
struct order {
    enum step step;
    size_t kind; /* index in `kinds` */
    struct word name;
    const char *prefix; /* start of the line: "@1 " stands before it at the master's socket */
    size_t prefix_length;
};

enum { KIND_COUNT = 3, NAME_MOST_BYTES = 4096 /* PATH_MAX */ };

static const char *const steps[STEP_COUNT] = {
    [STEP_SET] = "set", [STEP_COMMIT] = "commit", [STEP_ABORT] = "abort"};
static const char *const kinds[KIND_COUNT] = {"cert", "ca-file", "crl-file"};
static const char *const subjects[STEP_COUNT][KIND_COUNT] = {
    [STEP_SET] = {"set ssl cert", "set ssl ca-file", "set ssl crl-file"},
    [STEP_COMMIT] = {"commit ssl cert", "commit ssl ca-file", "commit ssl crl-file"},
    [STEP_ABORT] = {"abort ssl cert", "abort ssl ca-file", "abort ssl crl-file"},
};

static struct word next_word(const char **at)
{
    struct word word = {.at = *at + strspn(*at, " ")};

    word.length = strcspn(word.at, " \n");
    *at = word.at + word.length;
    return word;
}

static bool word_is(struct word word, const char *text)
{
    return word.length == strlen(text) && memcmp(word.at, text, word.length) == 0;
}

static struct order read_order(const char *line)
{
    struct order order = {.prefix = line};
    enum step step = STEP_SET;
    struct word verb, ssl, kind;

    if (line[0] == '@') {
        next_word(&line);
        order.prefix_length = (size_t)(line - order.prefix);
    }
    verb = next_word(&line);
    ssl = next_word(&line);
    kind = next_word(&line);
    order.name = next_word(&line);
    while (step < STEP_COUNT && !word_is(verb, steps[step]))
        step++;
    while (order.kind < KIND_COUNT && !word_is(kind, kinds[order.kind]))
        order.kind++;
    if (step < STEP_COUNT && word_is(ssl, "ssl") && order.kind < KIND_COUNT &&
        order.name.length > 0)
        order.step = step;
    return order;
}

/* Whether a word of the answer may become part of a line: ';' begins another command, and a
 * backslash escapes the next character (management guide, 9.3). */
static bool is_one_word(struct word word)
{
    for (size_t i = 0; i < word.length; i++) {
        unsigned char c = (unsigned char)word.at[i];

        if (c <= ' ' || c == 0x7f || c == ';' || c == '\\')
            return false;
    }
    return word.length <= NAME_MOST_BYTES;
}

/*
 * The name in "Transaction created for certificate NAME!" or "... updated ..."; empty if there is
 * none. For a CA file and a revocation list HAProxy's text begins with a small letter.
 */
static struct word told_name(const char *answer)
{
    const char *at = strcasestr(answer, "transaction created for ");
    struct word word, last = {.at = answer};

    if (at == NULL)
        at = strcasestr(answer, "transaction updated for ");
    if (at == NULL)
        return last;
    for (word = next_word(&at); word.length > 0; word = next_word(&at))
        last = word;
    if (last.length > 0 && last.at[last.length - 1] == '!')
        last.length--;
    return is_one_word(last) ? last : (struct word){.at = answer};
}

/* Strips .key and similar extensions, whose files HAProxy keeps together with the certificate. */
static struct word without_extension(struct word name)
{
    static const char *const extensions[] = {".key", ".ocsp", ".issuer", ".sctl"};

    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        size_t length = strlen(extensions[i]);

        if (name.length > length &&
            memcmp(name.at + name.length - length, extensions[i], length) == 0)
            return (struct word){name.at, name.length - length};
    }
    return name;
}

/* Whether the word is `begin` followed by `rest`. */
static bool word_joins(struct word word, struct word begin, const char *rest)
{
    size_t length = strlen(rest);

    return word.length == begin.length + length && memcmp(word.at, begin.at, begin.length) == 0 &&
           memcmp(word.at + begin.length, rest, length) == 0;
}

/* Whether the answer names the transaction of our line. */
static bool is_asked(struct word asked, struct word told)
{
    struct word base = without_extension(asked);

    return word_joins(told, asked, "") || word_joins(told, base, "") ||
           (base.length < asked.length && word_joins(told, base, ".crt"));
}

static const char *other_problem(const char *answer)
{
    static const char *const beginnings[] = {
        "unknown",  "error",  "err ",    "-err",      "can't",   "cannot",  "could not",
        "unable",   "fail",   "invalid", "malformed", "missing", "require", "permission denied",
        "denied",   "no ",    "not ",    "usage",     "bad ",    "refused", "unexpected",
        "too many", "abort:", "'",       "success=0",
    };

    if (answer[0] == '\0')
        return "closed the connection without an answer";
    answer += strspn(answer, " \t\r\n");
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncasecmp(answer, beginnings[i], strlen(beginnings[i])) == 0)
            return "refused it";
    return NULL;
}

const char *reload_answer_problem(const char *line, const char *answer)
{
    struct order order = read_order(line);
    struct word told = told_name(answer);

    if (order.step == STEP_OTHER || answer[0] == '\0')
        return other_problem(answer);
    if (strncasecmp(answer, "permission denied", strlen("permission denied")) == 0)
        return "refused the line; its stats socket needs level admin";
    switch (order.step) {
    case STEP_SET:
        if (told.length == 0)
            return "refused it";
        return is_asked(order.name, told) ? NULL
                                          : "put the file into the open transaction of another "
                                            "certificate, which leafd aborts";
    case STEP_COMMIT:
        return strstr(answer, "Success!") == NULL ? "refused it" : NULL;
    case STEP_ABORT:
        return strcasestr(answer, "transaction aborted") == NULL ? "refused it" : NULL;
    case STEP_OTHER:
    case STEP_COUNT:
        break;
    }
    return NULL;
}

const char *reload_answer_subject(const char *line)
{
    struct order order = read_order(line);

    return order.step == STEP_OTHER ? "the line" : subjects[order.step][order.kind];
}

const char *reload_answer_undo(struct arena *arena, const char *line, const char *answer)
{
    struct order order = read_order(line);
    struct word told = told_name(answer);
    struct word name = told.length > 0 ? told : without_extension(order.name);

    if (order.step != STEP_SET && order.step != STEP_COMMIT)
        return NULL;
    return arena_format(arena, "%.*s%sabort ssl %s %.*s", (int)order.prefix_length, order.prefix,
                        order.prefix_length > 0 ? " " : "", kinds[order.kind], (int)name.length,
                        name.at);
}

/* -- a conversation -------------------------------------------------------------------------------
 */

/* The worker's own data: a connection, and the message for it. */
struct opening {
    struct arena arena;
    const char *socket, *line, *payload;
    uid_t user;
    int fd; /* -1: the listen queue is full */
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
    const char *line; /* the order's line, or the abort */
    struct secret message;
    size_t sent;
    struct bytes answer;
    struct err failure; /* the result to report after the abort */
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

/* Leaves out empty lines: an empty line would end the payload. */
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
        return err_set(err, ERR_LOCAL, "reload: the message for %s is too long", opening->socket);
    return secret_keep(&opening->message, message.data, message.length, err);
}

/* -- the connection -------------------------------------------------------------------------------
 */

/* Connects, and reads the file only after checking the listener. */
static bool run_opening(void *job, struct err *err)
{
    struct opening *opening = job;

    if (!socket_path_connect(opening->socket, opening->user, &opening->fd, err)) {
        err->nobody =
            err->kind == ERR_CONSUMER && (err->errnum == ENOENT || err->errnum == ECONNREFUSED);
        return err_wrap(err, err->kind == ERR_CONSUMER ? "reload" : "reload: nothing is sent");
    }
    return opening->fd < 0 || write_message(opening, err);
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

/* A worker connects: the paths of the socket and of the file may be on a mount that hangs. */
static bool open_connection(struct conversation *talk, struct err *err)
{
    const struct socket_order *order = talk->order;
    struct opening *opening = calloc(1, sizeof *opening);
    struct lane_key lane;

    if (opening == NULL)
        return err_memory(err);
    opening->fd = -1;
    opening->user = order->user;
    opening->socket = arena_copy(&opening->arena, order->socket);
    opening->line = arena_copy(&opening->arena, talk->line);
    if (order->payload != NULL && !talk->aborting)
        opening->payload = arena_copy(&opening->arena, order->payload);
    /* With a payload use the payload's lane: a payload that hangs concerns one certificate, and
     * many certificates may share the socket. */
    lane = lane_of(opening->socket == NULL ? "" : opening->socket);
    if (opening->payload != NULL)
        lane.name = opening->payload;
    if (opening->socket == NULL || opening->line == NULL ||
        (opening->payload == NULL && order->payload != NULL && !talk->aborting)) {
        free_opening(opening);
        return err_memory(err);
    }
    talk->opening = opening;
    talk->work = worker_start_in(talk->workers, &lane, WORK_NEXT, run_opening, opening,
                                 free_opening, on_opened, talk, err);
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

/* Sends abort if the line may have opened a transaction; false if there is nothing to abort or no
 * connection. */
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

/* Reports the failure of the line; a failed abort is not reported, since the line's own failure is.
 */
static void fail(struct conversation *talk, const struct err *err)
{
    if (!talk->aborting)
        talk->failure = *err;
    if (!start_abort(talk))
        finish(talk, &talk->failure);
}

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
    if (talk->over) /* the end is already scheduled */
        return 0;
    err_set(&err, ERR_CONSUMER, "reload: %s: %s: the consumer did not answer within %llus",
            talk->order->socket, reload_answer_subject(talk->line),
            (unsigned long long)talk->order->limit_s);
    fail(talk, &err);
    return 0;
}

/* -- the talk -------------------------------------------------------------------------------------
 */

/* Sends as much as the socket accepts. A peer that closed early may have answered: its answer is
 * read. */
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

/* Reads all available bytes; true when the answer is complete. */
static bool read_on(struct conversation *talk, struct err *err)
{
    char part[4096];
    ssize_t got;

    while ((got = recv(talk->fd, part, sizeof part, 0)) > 0)
        if (!bytes_add(&talk->answer, part, (size_t)got))
            return !err_set(
                err, ERR_CONSUMER, "reload: %s: %s: the consumer's answer is longer than %d bytes",
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
    if (opening->fd < 0) {
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
