#include "app/service_notify.h"

#include "base/clock.h"
#include "base/hide.h"

#include <systemd/sd-daemon.h>

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_US = 1000000, PINGS_A_LIMIT = 2 };

/* Messages that were not sent yet; "" is none. */
static struct {
    int fd; /* -1: no manager listens */
    struct sockaddr_un address;
    socklen_t address_bytes;
    sd_event_source *retry, *ping;
    uint64_t ping_us; /* between watchdog pings; 0: none */
    char state[64];   /* READY, RELOADING or STOPPING; only the last one matters */
    char status[sizeof "STATUS=" + STATUS_TEXT_BYTES];
} manager = {.fd = -1};

/* False only if the manager's queue is full: if no manager is there, the message is dropped. */
static bool send_now(const char *text)
{
    return sendto(manager.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
                  (const struct sockaddr *)&manager.address, manager.address_bytes) >= 0 ||
           (errno != EAGAIN && errno != ENOBUFS && errno != EINTR);
}

/* Sends the state first, in a datagram of its own, so that a long status cannot prevent it. */
static void flush(void)
{
    char *const texts[] = {manager.state, manager.status};

    if (manager.fd < 0)
        return;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i][0] == '\0')
            continue;
        if (!send_now(texts[i])) {
            sd_event_source_set_time_relative(manager.retry, RETRY_US);
            sd_event_source_set_enabled(manager.retry, SD_EVENT_ONESHOT);
            return;
        }
        texts[i][0] = '\0';
    }
}

static int on_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    (void)arg;
    flush();
    return 0;
}

/* A ping that finds the queue full is dropped: the manager would not read it in time. */
static int on_ping(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)now_us;
    (void)arg;
    send_now("WATCHDOG=1");
    sd_event_source_set_time_relative(source, manager.ping_us);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Supports a path and an abstract name, which begins with @; systemd's other address families are
 * for virtual machines. */
static int open_socket(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t length = name == NULL ? 0 : strlen(name);

    if (length < 2 || length >= sizeof manager.address.sun_path ||
        (name[0] != '/' && name[0] != '@'))
        return -1;
    manager.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(manager.address.sun_path, name, length);
    if (name[0] == '@')
        manager.address.sun_path[0] = '\0';
    manager.address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

bool service_notify_open(sd_event *loop, struct err *err)
{
    uint64_t limit_us = 0;
    int r = sd_event_add_time_relative(loop, &manager.retry, CLOCK_MONOTONIC, 0, 0, on_retry, NULL);

    tzset(); /* here, and not on the loop, since it reads a file */
    if (r >= 0)
        r = sd_event_source_set_enabled(manager.retry, SD_EVENT_OFF);
    manager.fd = open_socket();
    if (r >= 0 && manager.fd >= 0 && sd_watchdog_enabled(0, &limit_us) > 0) {
        manager.ping_us = limit_us / PINGS_A_LIMIT;
        r = sd_event_add_time_relative(loop, &manager.ping, CLOCK_MONOTONIC, 0, 0, on_ping, NULL);
    }
    return r >= 0 || err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
}

void service_notify_close(void)
{
    manager.retry = sd_event_source_disable_unref(manager.retry);
    manager.ping = sd_event_source_disable_unref(manager.ping);
    if (manager.fd >= 0)
        close(manager.fd);
    manager.fd = -1;
}

static void tell_state(const char *state)
{
    snprintf(manager.state, sizeof manager.state, "%s", state);
    flush();
}

void service_notify_ready(void)
{
    tell_state("READY=1");
}

void service_notify_reloading(void)
{
    struct timespec now;
    char state[sizeof manager.state];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
    tell_state(state);
}

void service_notify_stopping(void)
{
    tell_state("STOPPING=1");
}

/* Texts are cut where the line is full. */
__attribute__((format(printf, 2, 3))) static void add(char to[static STATUS_TEXT_BYTES],
                                                      const char *format, ...)
{
    size_t length = strlen(to);
    va_list args;

    va_start(args, format);
    vsnprintf(to + length, STATUS_TEXT_BYTES - length, format, args);
    va_end(args);
}

/* The reason stays while another try is under way, which may take as long as prove_timeout. */
static void add_reason(const struct service_status *status, uint64_t now_s,
                       char to[static STATUS_TEXT_BYTES])
{
    char next_try[WHEN_TEXT_BYTES];

    clock_local_text(status->next_try_s, next_try);
    if (status->next_try_s > now_s)
        add(to, "; %s, next try %s: %s", status->cert, next_try, status->reason);
    else
        add(to, "; %s, being tried again now: %s", status->cert, status->reason);
}

void service_status_text(const struct service_status *status, uint64_t now_s,
                         char to[static STATUS_TEXT_BYTES])
{
    char due[WHEN_TEXT_BYTES];

    to[0] = '\0';
    add(to, "%zu of %zu certificates usable", status->usable, status->total);
    if (status->failing > 0)
        add(to, ", %zu failing", status->failing);
    clock_local_text(status->next_due_s, due);
    if (status->next_due_s > now_s)
        add(to, "; next renewal %s", due);
    if (status->problem != NULL)
        add(to, "; the configuration on disk is not in use: %s", status->problem);
    if (status->cert != NULL)
        add_reason(status, now_s, to);
}

void service_notify_status(const struct service_status *status)
{
    const size_t word = strlen("STATUS=");
    char text[STATUS_TEXT_BYTES];

    service_status_text(status, clock_now_s(), text);
    memcpy(manager.status, "STATUS=", word);
    hide_line(manager.status + word, sizeof manager.status - word, text);
    flush();
}
