#include "fault_sending.h"

#include "must.h"
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEP_LEVELS = 1000, OVERSIZED_BYTES = 2 * 1024 * 1024 };

static const char page[] = "<!DOCTYPE html>\n<html><head><title>It works</title></head>\n"
                           "<body><h1>It works</h1></body></html>\n";

static json_int_t number_of(const struct fault_scene *scene, const char *name)
{
    return json_integer_value(json_object_get(scene->order, name));
}

static const char *text_of(const struct fault_scene *scene, const char *name)
{
    return json_string_value(json_object_get(scene->order, name));
}

void fault_status(struct fault_scene *scene)
{
    unsigned status = (unsigned)number_of(scene, "status");
    const json_t *errors = json_object_get(scene->order, "errors");
    const char *body = text_of(scene, "body");
    char seconds[32];

    if (body != NULL)
        reply_text(scene->reply, "text/html; charset=utf-8", body);
    else
        reply_error(scene->reply, status, "devca was told to answer %u", status);
    if (body == NULL && errors != NULL)
        MUST(json_object_set_new(scene->reply->json, "errors", json_deep_copy(errors)) == 0);
    scene->reply->status = status;
    if (json_object_get(scene->order, "retry_after") != NULL) {
        snprintf(seconds, sizeof seconds, "%lld", (long long)number_of(scene, "retry_after"));
        reply_header(scene->reply, "Retry-After", seconds);
    }
}

void fault_redirect(struct fault_scene *scene)
{
    reply_text(scene->reply, NULL, "");
    scene->reply->status = 307;
    reply_header(scene->reply, "Location", text_of(scene, "location"));
}

void fault_not_json(struct fault_scene *scene)
{
    reply_text(scene->reply, "text/html; charset=utf-8", page);
}

void fault_empty(struct fault_scene *scene)
{
    reply_text(scene->reply, "application/json", "");
}

void fault_broken_json(struct fault_scene *scene)
{
    scene->reply->body.length /= 2;
}

/* Puts `member`, such as "name":1, in front of those of the object that the body is. */
static void insert_member(struct reply *reply, const char *member)
{
    struct bytes longer = {.limit = reply->body.limit};
    const char *body = bytes_text(&reply->body);

    if (body[0] != '{')
        return;
    MUST(bytes_add(&longer, "{", 1) && bytes_add(&longer, member, strlen(member)) &&
         bytes_add(&longer, body[1] == '}' ? "" : ",", body[1] != '}') &&
         bytes_add(&longer, body + 1, reply->body.length - 1));
    bytes_free(&reply->body);
    reply->body = longer;
}

void fault_duplicate_keys(struct fault_scene *scene)
{
    char member[256];
    const char *body = bytes_text(&scene->reply->body);
    const char *end = strchr(body, ':');

    if (body[0] != '{' || end == NULL)
        return;
    snprintf(member, sizeof member, "%.*s:null", (int)(end - body - 1), body + 1);
    insert_member(scene->reply, member);
}

void fault_deep_json(struct fault_scene *scene)
{
    static const char name[] = "\"deep\":";
    char member[sizeof name + 2 * DEEP_LEVELS];

    memcpy(member, name, sizeof name - 1);
    memset(member + sizeof name - 1, '[', DEEP_LEVELS);
    memset(member + sizeof name - 1 + DEEP_LEVELS, ']', DEEP_LEVELS);
    member[sizeof member - 1] = '\0';
    insert_member(scene->reply, member);
}

void fault_oversized(struct fault_scene *scene)
{
    static const char name[] = "\"padding\":\"";
    char *member = malloc(sizeof name + OVERSIZED_BYTES + 1);

    MUST(member != NULL);
    memcpy(member, name, sizeof name - 1);
    memset(member + sizeof name - 1, 'x', OVERSIZED_BYTES);
    memcpy(member + sizeof name - 1 + OVERSIZED_BYTES, "\"", 2);
    insert_member(scene->reply, member);
    free(member);
}

void fault_cut(struct fault_scene *scene)
{
    scene->reply->cut = true;
}

void fault_delay(struct fault_scene *scene)
{
    scene->reply->delay_ms = (unsigned)number_of(scene, "ms");
}
