#include "fields.h"

#include "must.h"
#include "span.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool fields_given(const struct fields *fields, const char *name)
{
    return json_object_get(fields->body, name) != NULL;
}

static void refuse(struct fields *fields, const char *name, const char *why)
{
    if (fields->failure == NULL)
        fields->failure = arena_format(
            fields->arena, "Field validation failed: error converting input for field \"%s\": %s",
            name, why);
    MUST(fields->failure != NULL);
}

/* A number or truth value as the text that Go's weak decoding makes of it; NULL for the others. */
static const char *scalar_text(struct arena *arena, const json_t *value)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        return arena_format(arena, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value))
        return arena_format(arena, "%g", json_real_value(value));
    if (json_is_boolean(value))
        return json_is_true(value) ? "1" : "0";
    return value == NULL || json_is_null(value) ? "" : NULL;
}

const char *fields_text(struct fields *fields, const char *name)
{
    const json_t *value = json_object_get(fields->body, name);
    const char *text = scalar_text(fields->arena, value);

    if (text != NULL)
        return text;
    refuse(fields, name,
           json_is_array(value) ? "'' expected type 'string', got unconvertible type "
                                  "'[]interface {}'"
                                : "'' expected type 'string', got unconvertible type "
                                  "'map[string]interface {}'");
    return "";
}

bool fields_true(struct fields *fields, const char *name)
{
    static const char *const words[][2] = {{"1", "0"},        {"t", "f"},        {"T", "F"},
                                           {"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"}};
    const char *text = fields_text(fields, name);

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i][0]) == 0)
            return true;
        if (strcmp(text, words[i][1]) == 0)
            return false;
    }
    if (text[0] != '\0')
        refuse(fields, name,
               arena_format(fields->arena,
                            "cannot parse '' as bool: strconv.ParseBool: parsing \"%s\": invalid "
                            "syntax",
                            text));
    return false;
}

uint64_t fields_seconds(struct fields *fields, const char *name)
{
    const char *text = fields_text(fields, name);
    bool unit_missing = text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0';
    int64_t seconds = 0;

    if (text[0] == '\0')
        return 0;
    if (!span_parse(text, &seconds))
        refuse(fields, name,
               arena_format(fields->arena, "time: %s \"%s\"",
                            unit_missing ? "missing unit in duration" : "invalid duration", text));
    else if (seconds < 0)
        refuse(fields, name,
               arena_format(fields->arena, "cannot provide negative value '%lld'",
                            (long long)seconds));
    return seconds < 0 ? 0 : (uint64_t)seconds;
}

struct text_list fields_list(struct fields *fields, const char *name)
{
    const json_t *value = json_object_get(fields->body, name);
    struct text_list list = {0};
    bool empty;

    if (!json_is_array(value)) {
        MUST(text_list_split(&list, fields->arena, fields_text(fields, name), ",", &empty));
        return list;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *text = scalar_text(fields->arena, json_array_get(value, i));

        if (text == NULL)
            refuse(fields, name, "expected a list of texts");
        else
            MUST(text_list_add(&list, fields->arena, text, strlen(text)));
    }
    return list;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_known(const char *name, const char *const *known)
{
    for (; *known != NULL; known++)
        if (strcmp(name, *known) == 0)
            return true;
    return false;
}

void fields_warn_unknown(const struct fields *fields, const char *const *known, struct reply *reply)
{
    struct text_list unknown = {0};
    const char *warning = "Endpoint ignored these unrecognized parameters: [";

    for (void *at = json_object_iter((json_t *)fields->body); at != NULL;
         at = json_object_iter_next((json_t *)fields->body, at)) {
        const char *name = json_object_iter_key(at);

        if (!is_known(name, known))
            MUST(text_list_add(&unknown, fields->arena, name, strlen(name)));
    }
    if (unknown.count == 0)
        return;
    qsort(unknown.items, unknown.count, sizeof *unknown.items, compare_names);
    for (size_t i = 0; i < unknown.count; i++) {
        warning =
            arena_format(fields->arena, "%s%s%s", warning, i == 0 ? "" : " ", unknown.items[i]);
        MUST(warning != NULL);
    }
    warning = arena_format(fields->arena, "%s]", warning);
    MUST(warning != NULL);
    reply_warn(reply, warning);
}
