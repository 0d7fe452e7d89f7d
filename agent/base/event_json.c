#include "base/event_json.h"

#include "base/clock.h"
#include "base/json.h"

#include <ctype.h>

static void lower_case(char *to, size_t size, const char *from)
{
    size_t i;

    for (i = 0; i + 1 < size && from[i] != '\0'; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
    to[i] = '\0';
}

json_t *event_json(const struct event *event)
{
    char when[WHEN_TEXT_BYTES], name[64];
    struct event_field field;
    json_t *json;

    clock_text(event->at_ms / 1000, when);
    json = json_pack("{s:s, s:s, s:s, s:s}", "time", when, "level", event_level_word(event->level),
                     "event", event_name(event->kind), "message", event->message);
    for (size_t at = 0; json != NULL && event_next_field(event, &at, &field);) {
        lower_case(name, sizeof name, field.name);
        json_object_set_new(json, name, json_words(field.value));
    }
    return json;
}
