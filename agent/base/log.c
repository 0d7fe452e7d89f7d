#include "base/log.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/event_json.h"
#include "base/hide.h"
#include "base/json.h"

/* The journal would get CODE_FILE, CODE_LINE and CODE_FUNC of this file, the same for every event.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

enum {
    QUEUE_BYTES = 1024 * 1024,     /* some 3,000 lines: the burst of ten thousand certificates */
    QUEUE_USUAL_BYTES = 64 * 1024, /* memory that an empty queue keeps */
    LINE_BYTES = 16 * 1024,
    JOURNAL_FIELDS_MOST = 32
};

/* The destination of a line; text and JSON both go to standard error. */
enum sink { SINK_STDERR, SINK_JOURNAL };

/* A formatted line. For the journal: its fields, each terminated by a NUL. */
struct line {
    size_t length;
    char bytes[LINE_BYTES];
};

struct head {
    uint32_t length;
    enum sink sink;
};

static struct {
    _Atomic enum log_format format;
    _Atomic enum log_level most;
} logger = {LOG_FORMAT_TEXT, LOG_LEVEL_INFO};

/* A ring buffer of lines, each after its head. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, drained;
    bool is_open, is_written; /* is_open: the thread runs; is_written: it is writing a line */
    size_t begin, used, most_used;
    uint64_t lost, all_lost; /* since the last line that told it; since the start */
    struct line line;        /* the line that the thread writes */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static _Alignas(4096) char ring[QUEUE_BYTES];

/* -- forms ----------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->bytes - line->length;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(line->bytes + line->length, room, format, args);
    va_end(args);
    line->length += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

/* Terminates a field. */
static void end_field(struct line *line)
{
    if (line->length < sizeof line->bytes)
        line->bytes[line->length++] = '\0';
}

/* `journalctl` shows the message alone, so it begins with the certificate's name. */
static void add_message(struct line *line, const struct event *event)
{
    add(line, "%s%s%s", event->cert == NULL ? "" : event->cert, event->cert == NULL ? "" : ": ",
        event->message);
}

static void form_journal(struct line *line, const struct event *event)
{
    struct event_field field;

    add(line, "MESSAGE=");
    add_message(line, event);
    end_field(line);
    add(line, "MESSAGE_ID=%s", event_message_id(event->kind));
    end_field(line);
    add(line, "PRIORITY=%d", (int)event->level);
    end_field(line);
    add(line, "LEAFD_EVENT=%s", event_name(event->kind));
    end_field(line);
    for (size_t at = 0; event_next_field(event, &at, &field);) {
        add(line, "LEAFD_%s=%s", field.name, field.value);
        end_field(line);
    }
}

static void form_json(struct line *line, const struct event *event)
{
    CLEANUP(free_memory) char *text = NULL;
    json_auto_t *json = event_json(event);

    text = json_text(json, JSON_COMPACT);
    if (text != NULL && strlen(text) + 1 < sizeof line->bytes)
        add(line, "%s\n", text);
}

static void form_text(struct line *line, const struct event *event)
{
    char when[WHEN_TEXT_BYTES];

    clock_text(event->at_ms / 1000, when);
    add(line, "%s %-7s ", when, event_level_word(event->level));
    add_message(line, event);
    add(line, "\n");
}

static enum sink form(struct line *line, const struct event *event)
{
    enum log_format format = logger.format;

    line->length = 0;
    if (format == LOG_FORMAT_JOURNAL) {
        form_journal(line, event);
        return SINK_JOURNAL;
    }
    if (format == LOG_FORMAT_JSON)
        form_json(line, event);
    else
        form_text(line, event);
    return SINK_STDERR;
}

/* -- writing --------------------------------------------------------------------------------------
 */

/* Standard error may be shared, and another process may have made it non-blocking. */
static void write_stderr(const char *bytes, size_t length)
{
    while (length > 0) {
        struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
        ssize_t written = write(STDERR_FILENO, bytes, length);

        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return;
        if (written < 0 && errno == EAGAIN)
            poll(&writable, 1, -1);
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
}

static void write_line(const struct line *line, enum sink sink)
{
    struct iovec parts[JOURNAL_FIELDS_MOST];
    int count = 0;

    if (sink == SINK_STDERR) {
        write_stderr(line->bytes, line->length);
        return;
    }
    for (size_t at = 0; at < line->length && count < JOURNAL_FIELDS_MOST;) {
        size_t length = strnlen(line->bytes + at, line->length - at);

        parts[count++] = (struct iovec){(char *)line->bytes + at, length};
        at += length + 1;
    }
    sd_journal_sendv(parts, count);
}

/* -- the queue ------------------------------------------------------------------------------------
 */

static void copy_in(const void *from, size_t length)
{
    size_t at = (queue.begin + queue.used) % QUEUE_BYTES;
    size_t first = length < QUEUE_BYTES - at ? length : QUEUE_BYTES - at;

    memcpy(ring + at, from, first);
    memcpy(ring, (const char *)from + first, length - first);
    queue.used += length;
    if (queue.used > queue.most_used)
        queue.most_used = queue.used;
}

static void copy_out(void *to, size_t length)
{
    size_t first = length < QUEUE_BYTES - queue.begin ? length : QUEUE_BYTES - queue.begin;

    memcpy(to, ring + queue.begin, first);
    memcpy((char *)to + first, ring, length - first);
    queue.begin = (queue.begin + length) % QUEUE_BYTES;
    queue.used -= length;
}

static void give_back_memory(void)
{
    queue.begin = 0;
    if (queue.most_used > QUEUE_USUAL_BYTES)
        madvise(ring + QUEUE_USUAL_BYTES, QUEUE_BYTES - QUEUE_USUAL_BYTES, MADV_DONTNEED);
    queue.most_used = 0;
}

/* Makes the line that reports lost lines. */
static enum sink form_loss(struct line *line)
{
    char message[128];
    const struct event event = {.kind = EVENT_LOG_LOST,
                                .level = event_level(EVENT_LOG_LOST),
                                .at_ms = clock_now_ms(),
                                .message = message};

    snprintf(message, sizeof message,
             "%llu lines were lost here: the reader of the log was too slow",
             (unsigned long long)queue.lost);
    queue.lost = 0;
    return form(line, &event);
}

/* Takes the next line from the queue; false if it is empty. */
static bool take_next(enum sink *ret_sink)
{
    struct head head;

    if (queue.lost > 0 && queue.used <= QUEUE_BYTES / 2) {
        *ret_sink = form_loss(&queue.line);
        return true;
    }
    if (queue.used == 0)
        return false;
    copy_out(&head, sizeof head);
    copy_out(queue.line.bytes, head.length);
    queue.line.length = head.length;
    *ret_sink = head.sink;
    if (queue.used == 0)
        give_back_memory();
    return true;
}

static void *write_queue(void *arg)
{
    enum sink sink;

    (void)arg;
    pthread_mutex_lock(&queue.lock);
    for (;;) {
        queue.is_written = take_next(&sink);
        if (queue.is_written) {
            pthread_mutex_unlock(&queue.lock);
            write_line(&queue.line, sink);
            pthread_mutex_lock(&queue.lock);
        } else {
            pthread_cond_broadcast(&queue.drained);
            pthread_cond_wait(&queue.filled, &queue.lock);
        }
    }
    return NULL;
}

/* Limited, because the process's own end is limited as well. */
void log_end(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOG_END_MS / 1000;
    pthread_mutex_lock(&queue.lock);
    while (queue.used > 0 || queue.lost > 0 || queue.is_written)
        if (pthread_cond_timedwait(&queue.drained, &queue.lock, &until) != 0)
            break;
    pthread_mutex_unlock(&queue.lock);
}

/* The thread blocks all signals; the event loop handles them. */
static bool start_thread(void)
{
    pthread_condattr_t monotonic;
    sigset_t all, before;
    pthread_t thread;
    bool started;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.drained, &monotonic);
    pthread_condattr_destroy(&monotonic);
    started = pthread_create(&thread, NULL, write_queue, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        pthread_detach(thread);
        atexit(log_end);
    }
    return started;
}

/* If no thread could be started: writes what can be written without blocking. */
static void write_directly(void)
{
    struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
    enum sink sink;

    while (poll(&writable, 1, 0) == 1 && take_next(&sink))
        write_line(&queue.line, sink);
}

static void enqueue(const struct line *line, enum sink sink)
{
    const struct head head = {.length = (uint32_t)line->length, .sink = sink};

    pthread_mutex_lock(&queue.lock);
    if (queue.used + sizeof head + line->length > QUEUE_BYTES) {
        queue.lost++;
        queue.all_lost++;
    } else {
        copy_in(&head, sizeof head);
        copy_in(line->bytes, line->length);
    }
    if (!queue.is_open)
        queue.is_open = start_thread();
    if (queue.is_open)
        pthread_cond_signal(&queue.filled);
    else
        write_directly();
    pthread_mutex_unlock(&queue.lock);
}

/* -- the listener ---------------------------------------------------------------------------------
 */

bool log_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM"); /* DEVICE:INODE of the journal's socket */
    char ours[64];
    struct stat about;

    if (stream == NULL || fstat(STDERR_FILENO, &about) != 0)
        return false;
    snprintf(ours, sizeof ours, "%llu:%llu", (unsigned long long)about.st_dev,
             (unsigned long long)about.st_ino);
    return strcmp(stream, ours) == 0;
}

static void show(const struct event *event)
{
    struct line line;
    enum sink sink;

    if (event->level > logger.most)
        return;
    sink = form(&line, event);
    if (line.length > 0)
        enqueue(&line, sink);
}

static void on_event(void *arg, const struct event *event)
{
    (void)arg;
    show(event);
}

void log_setup(enum log_format format, enum log_level most)
{
    static struct event_listener listener = {.on_event = on_event};

    if (format == LOG_FORMAT_AUTO) {
        if (log_stderr_is_journal())
            format = LOG_FORMAT_JOURNAL;
        else
            format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    }
    logger.format = format;
    logger.most = most;
    event_listen(&listener);
}

void log_detail(const char *cert, const char *format, ...)
{
    char raw[EVENT_MESSAGE_BYTES], message[EVENT_MESSAGE_BYTES];
    const struct event detail = {.kind = EVENT_DETAIL,
                                 .level = event_level(EVENT_DETAIL),
                                 .at_ms = clock_now_ms(),
                                 .cert = cert,
                                 .message = message};
    va_list args;

    if (detail.level > logger.most)
        return;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    hide_line(message, sizeof message, raw);
    show(&detail);
}

uint64_t log_lost(void)
{
    uint64_t lost;

    pthread_mutex_lock(&queue.lock);
    lost = queue.all_lost;
    pthread_mutex_unlock(&queue.lock);
    return lost;
}
