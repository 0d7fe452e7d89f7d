#include "base/watches.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { BUCKETS = 1024, EVENTS_BYTES = 16384, UNHEARD_MOST = 4096 };

struct watch {
    struct watch *next; /* in its bucket */
    int number;
    watches_changed *on_changed; /* NULL: nobody has registered yet, and something has changed */
    void *arg;
};

struct watches {
    sd_event_source *readable;
    int fd;
    unsigned unheard;
    bool lost; /* changes without a watch were dropped, because there were too many */
    struct watch *buckets[BUCKETS];
};

static struct watch **find(struct watches *watches, int number)
{
    struct watch **at = &watches->buckets[(unsigned)number % BUCKETS];

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static void forget(struct watches *watches, struct watch **at)
{
    struct watch *watch = *at;

    if (watch == NULL)
        return;
    watches->unheard -= watch->on_changed == NULL;
    *at = watch->next;
    free(watch);
}

/* A worker may just have added the watch, and the loop does not know yet. */
static void keep_unheard(struct watches *watches, struct watch **at, int number)
{
    struct watch *watch = watches->unheard < UNHEARD_MOST ? calloc(1, sizeof *watch) : NULL;

    if (watch == NULL) {
        watches->lost = true;
        return;
    }
    watch->number = number;
    *at = watch;
    watches->unheard++;
}

/* The kernel's queue overflowed: any directory may have changed. */
static void tell_all(struct watches *watches)
{
    watches->lost = true;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct watch *watch = watches->buckets[i], *next; watch != NULL; watch = next) {
            next = watch->next;
            if (watch->on_changed != NULL)
                watch->on_changed(watch->arg, "");
        }
}

static void tell(struct watches *watches, const struct inotify_event *event)
{
    struct watch **at = find(watches, event->wd);

    if ((event->mask & IN_Q_OVERFLOW) != 0)
        tell_all(watches);
    else if (*at != NULL && (*at)->on_changed != NULL)
        (*at)->on_changed((*at)->arg, event->len > 0 ? event->name : "");
    else if (*at == NULL && (event->mask & IN_IGNORED) == 0)
        keep_unheard(watches, at, event->wd);
    if ((event->mask & IN_IGNORED) != 0)
        forget(watches, find(watches, event->wd));
}

/* One read for each iteration, so that a flood of changes leaves time for other events. */
static int on_readable(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    _Alignas(struct inotify_event) char buffer[EVENTS_BYTES];
    ssize_t length = read(fd, buffer, sizeof buffer);
    const struct inotify_event *event;

    (void)source;
    (void)events;
    for (ssize_t at = 0; at < length; at += (ssize_t)(sizeof *event + event->len)) {
        event = (const struct inotify_event *)(const void *)(buffer + at);
        tell(arg, event);
    }
    return 0;
}

bool watches_open(sd_event *loop, struct watches **ret_watches, struct err *err)
{
    struct watches *watches = calloc(1, sizeof *watches);
    int r;

    if (watches == NULL)
        return err_memory(err);
    watches->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    r = watches->fd < 0
            ? -errno
            : sd_event_add_io(loop, &watches->readable, watches->fd, EPOLLIN, on_readable, watches);
    if (r < 0) {
        watches_close(watches);
        return err_errno(err, ERR_LOCAL, -r, "cannot watch directories");
    }
    sd_event_source_set_description(watches->readable, "changes of directories");
    *ret_watches = watches;
    return true;
}

void watches_close(struct watches *watches)
{
    if (watches == NULL)
        return;
    sd_event_source_disable_unref(watches->readable);
    for (size_t i = 0; i < BUCKETS; i++)
        while (watches->buckets[i] != NULL)
            forget(watches, &watches->buckets[i]);
    if (watches->fd >= 0)
        close(watches->fd);
    free(watches);
}

int watches_descriptor(const struct watches *watches)
{
    return watches->fd;
}

int watches_add(int descriptor, const char *directory)
{
    int watch = inotify_add_watch(descriptor, directory,
                                  IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB |
                                      IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);

    return watch < 0 ? 0 : watch;
}

void watches_remove(int descriptor, int watch)
{
    inotify_rm_watch(descriptor, watch);
}

bool watches_hear(struct watches *watches, int watch, watches_changed *on_changed, void *arg)
{
    struct watch **at = find(watches, watch);
    bool missed = watches->lost || (*at != NULL && (*at)->on_changed == NULL);

    if (*at == NULL)
        keep_unheard(watches, at, watch);
    if (*at == NULL)
        return true;
    watches->unheard -= (*at)->on_changed == NULL;
    (*at)->on_changed = on_changed;
    (*at)->arg = arg;
    return missed;
}

void watches_unhear(struct watches *watches, int watch)
{
    struct watch **at = find(watches, watch);

    if (*at != NULL && (*at)->on_changed != NULL)
        forget(watches, at);
}
