#include "reply.h"

#include "draw.h"
#include "must.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void replace(struct reply *reply, unsigned status, json_t *json)
{
    MUST(json != NULL);
    json_decref(reply->json);
    reply->json = json;
    reply->status = status;
}

static json_t *envelope(json_t *data, json_t *auth, const char *mount)
{
    char id[UUID_BYTES];

    draw_uuid(id);
    return json_pack("{s:s, s:s, s:b, s:i, s:o, s:n, s:n, s:o, s:s}", "request_id", id, "lease_id",
                     "", "renewable", 0, "lease_duration", 0, "data",
                     data == NULL ? json_null() : data, "wrap_info", "warnings", "auth",
                     auth == NULL ? json_null() : auth, "mount_type", mount);
}

void reply_data(struct reply *reply, json_t *data, const char *mount)
{
    replace(reply, 200, envelope(data, NULL, mount));
}

void reply_auth(struct reply *reply, json_t *auth, const char *mount)
{
    MUST(auth != NULL);
    replace(reply, 200, envelope(NULL, auth, mount));
}

void reply_json(struct reply *reply, json_t *json)
{
    replace(reply, 200, json);
}

void reply_warn(struct reply *reply, const char *text)
{
    json_t *warnings = json_object_get(reply->json, "warnings");

    if (!json_is_array(warnings)) {
        warnings = json_array();
        MUST(json_object_set_new(reply->json, "warnings", warnings) == 0);
    }
    MUST(json_array_append_new(warnings, json_string(text)) == 0);
}

void reply_bytes(struct reply *reply, const char *content_type, const void *data, size_t length)
{
    json_decref(reply->json);
    reply->json = NULL;
    reply->status = 200;
    reply->content_type = content_type;
    reply->body.length = 0;
    MUST(bytes_add(&reply->body, data, length));
}

void reply_text(struct reply *reply, const char *content_type, const char *text)
{
    reply_bytes(reply, content_type, text, strlen(text));
}

void reply_nothing(struct reply *reply)
{
    reply_text(reply, NULL, "");
    reply->status = 204;
}

__attribute__((format(printf, 3, 0))) static void set_error(struct reply *reply, unsigned status,
                                                            const char *format, va_list args)
{
    json_t *text = json_vsprintf(format, args);

    /* What is not UTF-8 has no place in JSON. */
    if (text == NULL)
        text = json_string("the reason cannot be told in UTF-8");
    replace(reply, status, json_pack("{s:[o]}", "errors", text));
}

bool reply_error(struct reply *reply, unsigned status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_error(reply, status, format, args);
    va_end(args);
    return false;
}

bool reply_failed(struct reply *reply, unsigned status, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return reply_error(reply, status, "1 error occurred:\n\t* %s\n\n", text);
}

void reply_missing(struct reply *reply)
{
    replace(reply, 404, json_pack("{s:[]}", "errors"));
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    if (reply->headers == NULL)
        reply->headers = json_object();
    MUST(json_object_set_new(reply->headers, name, json_string(value)) == 0);
}

void reply_settle(struct reply *reply)
{
    char *text;

    if (reply->json == NULL)
        return;
    text = json_dumps(reply->json, JSON_COMPACT);
    MUST(text != NULL);
    reply->body.length = 0;
    MUST(bytes_add(&reply->body, text, strlen(text)) && bytes_add(&reply->body, "\n", 1));
    free(text);
    json_decref(reply->json);
    reply->json = NULL;
}

void reply_free(struct reply *reply)
{
    json_decref(reply->json);
    json_decref(reply->headers);
    bytes_free(&reply->body);
    *reply = (struct reply)REPLY_EMPTY;
}
