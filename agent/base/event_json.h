/*
 * event_json - an event as a JSON object, as log lines, hooks and the audit file show it
 */
#ifndef LEAFD_BASE_EVENT_JSON_H
#define LEAFD_BASE_EVENT_JSON_H

#include "base/event.h"

#include <jansson.h>

/*
 * event_json - `time`, `level`, `event` and `message`, and the event's fields in lower case
 *
 * Values are texts. NULL if memory ran out; the caller ends the reference.
 */
json_t *event_json(const struct event *event);

#endif
