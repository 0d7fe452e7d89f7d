/*
 * What a consumer answers at its socket: a byte for the line that it is told, one for the parts in
 * which it answers, then the answer. An 'L' in front: a line of any bytes, ended by NUL, and its
 * answer, without a socket.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "reload/reload_socket.h"

#include <systemd/sd-event.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ECHO_BYTES = 8, HEARD_BYTES = 4096 + 256 /* a name and what is around it */ };

static const char *const lines[] = {
    "set ssl cert /etc/a.pem",
    "@1 set ssl ca-file ca.crt",
    "commit ssl cert /etc/a.pem",
    "abort ssl crl-file x",
    "reload",
};
static const char payload[] = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\r\n\n"
                              "AgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n";

/* The consumer: hears a message, answers in parts, hangs up. */
struct consumer {
    sd_event *loop;
    struct workers *workers;
    sd_event_source *client;
    int listener;
    const uint8_t *answer;
    size_t size, part;
    char heard[HEARD_BYTES];
    size_t length;
    unsigned connections;
    bool wants_payload, ended;
    struct err err;
};

static bool has_heard_all(const struct consumer *consumer)
{
    size_t length = consumer->length, tail = consumer->wants_payload ? 2 : 1;

    return length >= tail && memcmp(consumer->heard + length - tail, "\n\n", tail) == 0;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct consumer *consumer = arg;
    ssize_t got;

    (void)events;
    got = recv(fd, consumer->heard + consumer->length, HEARD_BYTES - 1 - consumer->length,
               MSG_DONTWAIT);
    if (got > 0)
        consumer->length += (size_t)got;
    fuzz_promise(got > 0 && consumer->length < HEARD_BYTES - 1, "it says a line and goes on");
    consumer->heard[consumer->length] = '\0';
    if (!has_heard_all(consumer))
        return 0;
    for (size_t at = 0; at < consumer->size; at += consumer->part) {
        size_t left = consumer->size - at;

        if (send(fd, consumer->answer + at, consumer->part < left ? consumer->part : left,
                 MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
            break;
    }
    (void)source;
    consumer->client = sd_event_source_disable_unref(consumer->client);
    close(fd);
    return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct consumer *consumer = arg;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)source;
    (void)events;
    if (client < 0)
        return 0;
    fuzz_promise(++consumer->connections <= 2, "a line and an abort, no more");
    if (consumer->connections == 2) { /* an abort is one line */
        consumer->wants_payload = false;
        consumer->length = 0;
    }
    sd_event_add_io(consumer->loop, &consumer->client, client, EPOLLIN, on_client, consumer);
    return 0;
}

static void on_done(void *arg, const struct err *err)
{
    struct consumer *consumer = arg;

    consumer->ended = true;
    consumer->err = err == NULL ? (struct err){.kind = ERR_NONE} : *err;
}

/* One command: HAProxy takes several in a line, apart by ';'. */
static void promise_abort(const char *line, const char *said)
{
    const char *abort = strstr(said, "abort ssl ");

    fuzz_promise(abort != NULL && strchr(said, '\n') == NULL, "it is an abort, and one line");
    fuzz_promise(strncmp(said, line, (size_t)(abort - said)) == 0, "where the line was said");
    for (const char *at = abort; *at != '\0'; at++)
        if (strchr(line, *at) == NULL)
            fuzz_promise((unsigned char)*at > ' ' && *at != 0x7f && *at != ';' && *at != '\\',
                         "it is one command");
}

/* The lines that begin and end it are in every key. */
static void promise_no_echo(const char *text)
{
    const char *body = strchr(payload, '\n');
    size_t length = (size_t)(strstr(body, "-----END") - body);

    for (size_t i = 0; i + ECHO_BYTES <= strlen(text); i++)
        fuzz_promise(memmem(body, length, text + i, ECHO_BYTES) == NULL,
                     "nothing of the key is told");
}

static void promise_end(struct consumer *consumer, const struct socket_order *order)
{
    const char *line = order->line;
    size_t length = strlen(line);

    if (consumer->connections == 1)
        fuzz_promise(strncmp(consumer->heard, line, length) == 0 &&
                         strcmp(consumer->heard + length,
                                order->payload == NULL
                                    ? "\n"
                                    : " <<\n-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n"
                                      "AgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n\n") == 0,
                     "it is told the line and the payload");
    if (consumer->connections == 2) {
        consumer->heard[strcspn(consumer->heard, "\n")] = '\0';
        promise_abort(line, consumer->heard);
    }
    if (consumer->err.kind != ERR_NONE) {
        fuzz_failure(&consumer->err);
        fuzz_promise(consumer->err.kind == ERR_CONSUMER, "it is the consumer's failure");
        if (order->payload != NULL)
            promise_no_echo(consumer->err.text);
    }
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    fuzz_promise(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                     listen(fd, 8) == 0,
                 "a socket");
    return fd;
}

static void talk(const uint8_t *data, size_t size)
{
    static struct consumer consumer;
    static char path[64], file[64];
    struct socket_order order = {.socket = path, .limit_s = 60};
    struct slot *slot;
    struct err err = {.kind = ERR_NONE};

    if (consumer.loop == NULL) {
        snprintf(path, sizeof path, "%s/socket", fuzz_directory());
        snprintf(file, sizeof file, "%s",
                 fuzz_file("payload", (const uint8_t *)payload, sizeof payload - 1));
        consumer.listener = listen_at(path);
        fuzz_promise(sd_event_new(&consumer.loop) >= 0 &&
                         workers_open(consumer.loop, 1, &consumer.workers, &err),
                     "a loop");
        sd_event_add_io(consumer.loop, NULL, consumer.listener, EPOLLIN, on_connection, &consumer);
    }
    order.line = lines[data[0] % (sizeof lines / sizeof *lines)];
    order.payload = (data[0] & 0x80) != 0 ? file : NULL;
    consumer.wants_payload = order.payload != NULL;
    consumer.answer = data + 2;
    consumer.size = size - 2;
    consumer.part = 1 + data[1] * 16U;
    consumer.length = consumer.connections = 0;
    consumer.ended = false;
    slot = reload_socket_start(consumer.loop, consumer.workers, &order, on_done, &consumer, &err);
    fuzz_promise(slot != NULL, err.text);
    while (!consumer.ended)
        fuzz_promise(sd_event_run(consumer.loop, UINT64_MAX) > 0, "a turn of the loop");
    slot_drop(slot);
    promise_end(&consumer, &order);
}

static void judge(const char *line, const char *answer)
{
    struct arena arena = {0};
    const char *problem = reload_answer_problem(line, answer);
    const char *undo = reload_answer_undo(&arena, line, answer);

    if (problem != NULL)
        fuzz_words(problem, "a problem has words");
    fuzz_words(reload_answer_subject(line), "a line has a subject");
    fuzz_promise(answer[0] != '\0' || problem != NULL, "silence is no success");
    if (undo != NULL && strchr(line, '\n') == NULL)
        promise_abort(line, undo);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size < 2)
        return 0;
    if (data[0] != 'L') {
        talk(data, size);
        return 0;
    }
    text = calloc(1, size + 1);
    memcpy(text, data + 1, size - 1);
    judge(text, text + strlen(text) + (strlen(text) < size - 1));
    free(text);
    return 0;
}
