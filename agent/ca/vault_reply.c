#include "ca/vault_reply.h"

#include "base/clock.h"
#include "base/hide.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 16, SAID_BYTES = 320, SECONDS_MOST = 10 * 365 * 24 * 60 * 60 };

/* What a status means (reference: Vault API, HTTP status codes). The first line that covers it
 * wins. */
static const struct meaning {
    int from, to;
    enum err_kind kind;
    const char *words; /* where the CA itself says nothing */
} meanings[] = {
    {403, 403, ERR_DENIED, "permission denied"},
    {408, 408, ERR_TRANSIENT, "request timed out"},
    {412, 412, ERR_TRANSIENT, "not up to date yet"},
    {429, 429, ERR_TRANSIENT, "too many requests"},
    {472, 474, ERR_TRANSIENT, "standby"},
    {400, 499, ERR_REFUSED, "refused"},
    {501, 501, ERR_TRANSIENT, "not initialised"},
    {503, 503, ERR_TRANSIENT, "sealed or not available"},
    {500, 599, ERR_TRANSIENT, "out of order"},
    {300, 399, ERR_TRANSIENT, "redirected"},
    {0, 999, ERR_UNTRUSTED, "a status that makes no sense here"},
};

static const struct meaning *meaning_of(int status)
{
    const struct meaning *meaning = meanings;

    while (status < meaning->from || status > meaning->to)
        meaning++;
    return meaning;
}

/* jansson recurses up to 2048 levels on Debian; what Vault sends has five. */
static bool is_shallow(const char *body, size_t length)
{
    unsigned depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < length; i++) {
        char c = body[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > DEPTH_MOST)
            return false;
    }
    return true;
}

/* NULL for what is no JSON object, and if memory ran out: then *ret_no_memory tells. */
static json_t *load(const char *body, size_t length, bool *ret_no_memory)
{
    json_error_t error = {0};
    json_t *json;

    if (!is_shallow(body, length))
        return NULL;
    json = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(json))
        return json;
    *ret_no_memory = json == NULL && json_error_code(&error) == json_error_out_of_memory;
    json_decref(json);
    return NULL;
}

/* The CA's errors as one line; "" if it gave none. */
static void collect_errors(const json_t *json, char to[static SAID_BYTES])
{
    const json_t *errors = json_object_get(json, "errors");
    char all[2 * SAID_BYTES] = "";
    size_t used = 0;

    for (size_t i = 0; i < json_array_size(errors) && used < sizeof all; i++) {
        const char *text = json_string_value(json_array_get(errors, i));

        if (text != NULL)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used == 0 ? "" : "; ",
                                     text);
    }
    hide_foreign(to, SAID_BYTES, all);
}

static bool fail(int status, const json_t *json, struct err *err)
{
    const struct meaning *meaning = meaning_of(status);
    char said[SAID_BYTES];

    collect_errors(json, said);
    err_set(err, meaning->kind, "the CA answered %d: %s", status,
            said[0] == '\0' ? meaning->words : said);
    err->http_status = status;
    return false;
}

bool vault_reply_parse(int status, const char *body, size_t length, struct vault_reply *ret_reply,
                       struct err *err)
{
    bool no_memory = false;
    json_t *json = length == 0 ? NULL : load(body, length, &no_memory);

    if (status < 200 || status > 299) {
        fail(status, json, err);
        json_decref(json);
        return false;
    }
    if (no_memory)
        return err_memory(err);
    if (json == NULL && length > 0)
        return err_set(err, ERR_UNTRUSTED,
                       "the reply is no JSON object; is the address that of Vault or OpenBao?");
    if (json_is_object(json_object_get(json, "wrap_info"))) {
        json_decref(json);
        return err_set(err, ERR_UNTRUSTED, "the reply is wrapped, which leafd did not ask for");
    }
    *ret_reply = (struct vault_reply){.status = status, .json = json};
    return true;
}

static const json_t *field(const struct vault_reply *reply, const char *object, const char *name)
{
    return json_object_get(json_object_get(reply->json, object), name);
}

const char *vault_reply_text(const struct vault_reply *reply, const char *object, const char *name)
{
    return json_string_value(field(reply, object, name));
}

bool vault_reply_seconds(const struct vault_reply *reply, const char *object, const char *name,
                         uint64_t *ret_seconds, struct err *err)
{
    const json_t *value = field(reply, object, name);
    const char *text = json_string_value(value);
    double seconds = json_is_number(value) ? json_number_value(value) : -1;

    if (text != NULL && duration_parse(text, ret_seconds))
        return true;
    if (text != NULL && text[0] != '\0' && text[strspn(text, "0123456789")] == '\0')
        seconds = strtod(text, NULL);
    if (!(seconds >= 0))
        return err_set(err, ERR_UNTRUSTED, "the reply's %s is no number of seconds", name);
    *ret_seconds = seconds < SECONDS_MOST ? (uint64_t)seconds : SECONDS_MOST;
    /* A fraction of a second ends, and 0 would mean that it does not. */
    if (*ret_seconds == 0 && seconds > 0)
        *ret_seconds = 1;
    return true;
}

uint64_t vault_reply_count(const struct vault_reply *reply, const char *object, const char *name)
{
    json_int_t count = json_integer_value(field(reply, object, name));

    return count < 0 ? 0 : (uint64_t)count;
}

bool vault_reply_true(const struct vault_reply *reply, const char *object, const char *name)
{
    return json_is_true(field(reply, object, name));
}

const json_t *vault_reply_warnings(const struct vault_reply *reply)
{
    const json_t *warnings = json_object_get(reply->json, "warnings");

    return json_is_array(warnings) ? warnings : NULL;
}

void vault_reply_free(struct vault_reply *reply)
{
    json_decref(reply->json);
    *reply = (struct vault_reply){0};
}
