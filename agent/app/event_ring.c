#include "app/event_ring.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/event_json.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

struct kept {
    TAILQ_ENTRY(kept) entry;
    struct event *event;
    uint64_t number; /* in the ring, from 1 on */
    size_t bytes;
};

enum { STREAM_BYTES = 48 };

struct event_ring {
    struct event_listener listener;
    TAILQ_HEAD(kept_list, kept) events; /* the oldest first */
    size_t bytes;
    uint64_t last;             /* number */
    char stream[STREAM_BYTES]; /* tells this process from an earlier one */
    event_ring_grew *on_grew;
    void *arg;
};

static void drop_first(struct event_ring *ring)
{
    struct kept *kept = TAILQ_FIRST(&ring->events);

    TAILQ_REMOVE(&ring->events, kept, entry);
    ring->bytes -= kept->bytes;
    event_free(kept->event);
    free(kept);
}

static void on_event(void *arg, const struct event *event)
{
    struct event_ring *ring = arg;
    struct kept *kept;

    if (event->level > LOG_LEVEL_INFO)
        return;
    ring->last++;
    kept = calloc(1, sizeof *kept);
    if (kept != NULL)
        kept->event = event_keep(event);
    if (kept == NULL || kept->event == NULL) {
        free(kept);
        return;
    }
    kept->number = ring->last;
    kept->bytes = malloc_usable_size(kept) + malloc_usable_size(kept->event);
    ring->bytes += kept->bytes;
    TAILQ_INSERT_TAIL(&ring->events, kept, entry);
    while (ring->bytes > EVENT_RING_BYTES)
        drop_first(ring);
    ring->on_grew(ring->arg);
}

bool event_ring_open(event_ring_grew *on_grew, void *arg, struct event_ring **ret_ring,
                     struct err *err)
{
    struct event_ring *ring = calloc(1, sizeof *ring);

    if (ring == NULL)
        return err_memory(err);
    TAILQ_INIT(&ring->events);
    snprintf(ring->stream, sizeof ring->stream, "%d.%llu", (int)getpid(),
             (unsigned long long)clock_boot_us());
    ring->on_grew = on_grew;
    ring->arg = arg;
    ring->listener = (struct event_listener){.on_event = on_event, .arg = ring};
    event_listen(&ring->listener);
    *ret_ring = ring;
    return true;
}

static uint64_t after_in(const struct event_ring *ring, const char *stream, uint64_t after)
{
    return strcmp(ring->stream, stream) == 0 ? after : 0;
}

json_t *event_ring_tell(const struct event_ring *ring, const char *stream, uint64_t after)
{
    uint64_t told = after_in(ring, stream, after), lost = 0;
    json_t *list = json_array();
    const struct kept *kept = NULL;

    TAILQ_FOREACH(kept, &ring->events, entry)
    {
        if (kept->number <= told)
            continue;
        if (json_array_size(list) == EVENT_RING_PAGE)
            break;
        lost += kept->number - told - 1;
        told = kept->number;
        json_array_append_new(list, event_json(kept->event));
    }
    return json_pack("{s:s, s:I, s:I, s:o}", "stream", ring->stream, "after", (json_int_t)told,
                     "lost", (json_int_t)lost, "events", list);
}

bool event_ring_has(const struct event_ring *ring, const char *stream, uint64_t after)
{
    const struct kept *last = TAILQ_LAST(&ring->events, kept_list);

    return last != NULL && last->number > after_in(ring, stream, after);
}

void event_ring_close(struct event_ring *ring)
{
    if (ring == NULL)
        return;
    event_ignore(&ring->listener);
    while (!TAILQ_EMPTY(&ring->events))
        drop_first(ring);
    free(ring);
}
