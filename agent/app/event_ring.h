/*
 * event_ring - the last events of the running agent, for `leafd events`
 *
 * A listener of the stream. It keeps what the log shows by default, so not the debug level, and
 * forgets the oldest when they take more than EVENT_RING_BYTES.
 */
#ifndef LEAFD_APP_EVENT_RING_H
#define LEAFD_APP_EVENT_RING_H

#include "base/err.h"

#include <jansson.h>

#include <stdint.h>

enum { EVENT_RING_BYTES = 128 * 1024, EVENT_RING_PAGE = 100 /* events in one reply */ };

struct event_ring;

/* Called when there is another event. */
typedef void event_ring_grew(void *arg);

/* event_ring_open - listens from now on; borrows `arg`; fails with class local */
bool event_ring_open(event_ring_grew *on_grew, void *arg, struct event_ring **ret_ring,
                     struct err *err);

/*
 * event_ring_tell - the events with a larger number than `after`
 *
 * {"stream": the process, "after": the number to continue with, "lost": events that were forgotten
 * before they were told, "events": [...]}. Numbers count from 1 in each process; if `stream` is not
 * this process, all events are told. A new reference; NULL if memory ran out.
 */
json_t *event_ring_tell(const struct event_ring *ring, const char *stream, uint64_t after);

/* event_ring_has - whether event_ring_tell has an event to give */
bool event_ring_has(const struct event_ring *ring, const char *stream, uint64_t after);

/* event_ring_close - stops listening, and frees; NULL is fine */
void event_ring_close(struct event_ring *ring);

#endif
