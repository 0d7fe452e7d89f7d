#include "base/event.h"

#include "base/clock.h"
#include "base/hide.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
    const char *name;
    enum log_level level;
    const char *message_id;
} kinds[EVENT_KIND_COUNT] = {
    [EVENT_STARTED] = {"started", LOG_LEVEL_INFO, "26ef05a2f84f4dfc9fb7018780442b85"},
    [EVENT_STOPPING] = {"stopping", LOG_LEVEL_INFO, "4b2d47de24e642de8ccb18429300f9d7"},
    [EVENT_READY] = {"ready", LOG_LEVEL_INFO, "87dbb4564f5443ceab49ebba1ff27e8b"},
    [EVENT_CONFIG_APPLIED] = {"config-applied", LOG_LEVEL_NOTICE,
                              "18b099619e5943f0946e66d3602b2809"},
    [EVENT_CONFIG_BROKEN] = {"config-broken", LOG_LEVEL_ERR, "3d3cd2577a3a4449bbb645aa9b7fc118"},
    [EVENT_CONFIG_GOOD] = {"config-good", LOG_LEVEL_NOTICE, "ef80ba18caaa4526bcad5aad4ca9dcb0"},
    [EVENT_CONTROL_FAILED] = {"control-failed", LOG_LEVEL_WARNING,
                              "ccd4891ee41b41a59866ae8580e321bc"},
    [EVENT_CONTROL_BACK] = {"control-back", LOG_LEVEL_NOTICE, "b918f4f5c0cf4945abb90ee73de67860"},
    [EVENT_LISTENING] = {"listening", LOG_LEVEL_INFO, "66ea4f4cdc0e4592b2d31a6d45c60334"},
    [EVENT_LISTEN_FAILED] = {"listen-failed", LOG_LEVEL_WARNING,
                             "7704f0c9da414c9891ae199f779f7e62"},
    [EVENT_ADVICE] = {"advice", LOG_LEVEL_WARNING, "16a7c21b4b33436d95a0b24d732b108d"},
    [EVENT_LOGGED_IN] = {"logged-in", LOG_LEVEL_INFO, "a7fbfbe701c547b5bf4370d4dd366ef2"},
    [EVENT_LOGIN_FAILED] = {"login-failed", LOG_LEVEL_WARNING, "c6f4273acbe64111a892186a45ece437"},
    [EVENT_TOKEN_RENEWED] = {"token-renewed", LOG_LEVEL_DEBUG, "494789872ca54e6782398bbe87211373"},
    [EVENT_TOKEN_LOST] = {"token-lost", LOG_LEVEL_NOTICE, "21cbce125c534dfba354710352e743d7"},
    [EVENT_REDIRECTED] = {"redirected", LOG_LEVEL_WARNING, "849721cd059647b3884cdb09e49de74b"},
    [EVENT_FOUND] = {"found", LOG_LEVEL_INFO, "ebfc4e6c92bc4dd2af9a7ae89eed1170"},
    [EVENT_KEPT] = {"kept", LOG_LEVEL_INFO, "7f8500d40b0046b998dd9f42c9ac654e"},
    [EVENT_DAMAGED] = {"damaged", LOG_LEVEL_WARNING, "d56eeb7a93ea4b5bbe2d8e18e10d3699"},
    [EVENT_WANTED] = {"wanted", LOG_LEVEL_INFO, "6c016eaccdf545ffa27575647bb30648"},
    [EVENT_ISSUED] = {"issued", LOG_LEVEL_DEBUG, "bd6297e7a6604fbeb08ac3ee59cdaf9a"},
    [EVENT_HELD] = {"held", LOG_LEVEL_NOTICE, "8de9ccb91fa04ace9bc1cdc791699286"},
    [EVENT_PUBLISHED] = {"published", LOG_LEVEL_NOTICE, "447f8a44e2524aac836f70d074a94e34"},
    [EVENT_FAILED] = {"failed", LOG_LEVEL_ERR, "ed9f43aaae4645e5abf3252fd516c835"},
    [EVENT_EXPIRING] = {"expiring", LOG_LEVEL_ERR, "beedb8cb2b1a4b06b4b07f4c8ffd73a0"},
    [EVENT_EXPIRED] = {"expired", LOG_LEVEL_ERR, "aa986f5b38604b96ba3c4d8ef1b2418e"},
    [EVENT_WAITS] = {"waits", LOG_LEVEL_INFO, "f22b98e132a94240954e10b0e32a9777"},
    [EVENT_LINK_FAILED] = {"link-failed", LOG_LEVEL_ERR, "23a16c2af9424a36bb649122490e6ec9"},
    [EVENT_RELOADED] = {"reloaded", LOG_LEVEL_INFO, "f7069ee565db4b2cba93a4a6a0250fbb"},
    [EVENT_RELOAD_FAILED] = {"reload-failed", LOG_LEVEL_ERR, "a50e6efbf9954576abd547d8f9cb8752"},
    [EVENT_AWAITED] = {"awaited", LOG_LEVEL_INFO, "ec51653f54f448f1aa3e6e0374fbbfe2"},
    [EVENT_PROVEN] = {"proven", LOG_LEVEL_INFO, "06608c4932e2439e8927a3f595dd4288"},
    [EVENT_PROOF_FAILED] = {"proof-failed", LOG_LEVEL_ERR, "591b1be3d56c4bd7bcd19b2e167d4c68"},
    [EVENT_PROOF_LOST] = {"proof-lost", LOG_LEVEL_WARNING, "55032d053a5848549ffe7d2b12900bac"},
    [EVENT_SERVED] = {"served", LOG_LEVEL_DEBUG, "02e58624cfe8435db964e919c7befa8b"},
    [EVENT_ROLLED_BACK] = {"rolled-back", LOG_LEVEL_ERR, "92b185bcf2f54844828cc73cb0cd099d"},
    [EVENT_ROLLBACK_FAILED] = {"rollback-failed", LOG_LEVEL_ERR,
                               "f3cc569015f949d5a768c14bf724dd78"},
    [EVENT_CA_AWAY] = {"ca-away", LOG_LEVEL_WARNING, "ad783bc0a2f64244bd2c4e50769329f7"},
    [EVENT_CA_BACK] = {"ca-back", LOG_LEVEL_NOTICE, "660b341e59bc453fbfef43f802f98b55"},
    [EVENT_CA_CHANGED] = {"ca-changed", LOG_LEVEL_NOTICE, "9b2948f33d5047c0b228d48a218fa446"},
    [EVENT_WITHDRAWN] = {"withdrawn", LOG_LEVEL_WARNING, "c9bdd96d60744a2285a2bb93fec59565"},
    [EVENT_FORGOTTEN] = {"forgotten", LOG_LEVEL_NOTICE, "e907e6412b8e4a5b9dc6dbbecf500291"},
    [EVENT_CLOCK_SET] = {"clock-set", LOG_LEVEL_NOTICE, "e0433a5bc3a740d1950616cf7eb24fa1"},
    [EVENT_CLOCK_SKEW] = {"clock-skew", LOG_LEVEL_WARNING, "bc0f27d4206243c4b0521a1ca0bac374"},
    [EVENT_CLOCK_AGREES] = {"clock-agrees", LOG_LEVEL_NOTICE, "293d6987360d46e9a8d4518cd8f56ce8"},
    [EVENT_DISK_STUCK] = {"disk-stuck", LOG_LEVEL_ERR, "e5f94c51cc9146ceb73e2a12d1baaa19"},
    [EVENT_DISK_BACK] = {"disk-back", LOG_LEVEL_NOTICE, "6286913c61cf401e8546b0631c90d691"},
    [EVENT_REVOKED] = {"revoked", LOG_LEVEL_NOTICE, "4473a40828394ded8b43f8dd7a15cd78"},
    [EVENT_HOOK_FAILED] = {"hook-failed", LOG_LEVEL_WARNING, "afa7a91019bc4676a5e0b1b8d840f194"},
    [EVENT_HOOK_DROPPED] = {"hook-dropped", LOG_LEVEL_WARNING, "d37f4f4f0bac4316b36bfaa4ba514d56"},
    [EVENT_AUDIT_FAILED] = {"audit-failed", LOG_LEVEL_ERR, "773f021dde514ad5957fa7049f5fc97f"},
    [EVENT_AUDIT_BACK] = {"audit-back", LOG_LEVEL_NOTICE, "0abfeb6ef0a4491bb5395a2045e19ef7"},
    [EVENT_LOG_LOST] = {"log-lost", LOG_LEVEL_WARNING, "411270c26cd74b0e8d9907acb7994a9e"},
    [EVENT_BUG] = {"bug", LOG_LEVEL_ERR, "874ae20ce29646a5b7156183d22c7851"},
    [EVENT_DETAIL] = {"detail", LOG_LEVEL_DEBUG, "46285767c62e498ca93fa7d288373ee2"},
};

const char *const log_level_words[] = {"error", "warning", "notice", "info", "debug", NULL};

static struct {
    struct event_listener *listeners;
    uint64_t last; /* number */
} stream;

/* -- the fields -----------------------------------------------------------------------------------
 */

enum field_type { FIELD_TEXT, FIELD_CLASS, FIELD_MOMENT, FIELD_NUMBER };

#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, FIELD_TEXT, offsetof(struct event, member)                                           \
    }
#define MOMENT(name, member)                                                                       \
    {                                                                                              \
        name, FIELD_MOMENT, offsetof(struct event, member)                                         \
    }
#define NUMBER(name, member)                                                                       \
    {                                                                                              \
        name, FIELD_NUMBER, offsetof(struct event, member)                                         \
    }

static const struct field {
    const char *name;
    enum field_type type;
    size_t offset;
} fields[] = {
    TEXT("CERT", cert),
    TEXT("GENERATION", generation),
    TEXT("SERIAL", serial),
    TEXT("SERVED", served),
    TEXT("DIRECTORY", directory),
    TEXT("METHOD", method),
    TEXT("FROM", from),
    TEXT("TO", to),
    TEXT("FOLLOWED", followed),
    TEXT("REASON", reason),
    TEXT("REQUEST_ID", request_id),
    TEXT("ISSUER", issuer),
    TEXT("NAMES", names),
    TEXT("PKI_MOUNT", pki_mount),
    TEXT("PKI_ROLE", pki_role),
    TEXT("ADDRESS", address),
    TEXT("TLS_VERSION", tls_version),
    TEXT("TOP", top),
    TEXT("MUTUAL", mutual),
    TEXT(NULL, message), /* not a field: the message itself */
    {"CLASS", FIELD_CLASS, offsetof(struct event, failure)},
    MOMENT("NOT_BEFORE", not_before_s),
    MOMENT("NOT_AFTER", not_after_s),
    MOMENT("END", end_s),
    MOMENT("DUE", due_s),
    MOMENT("SERVED_UNTIL", served_until_s),
    NUMBER("NEXT_TRY_MS", next_try_ms),
    NUMBER("BY_S", by_s),
    NUMBER("SKEW_S", skew_s),
    NUMBER("AWAY_S", away_s),
    NUMBER("WAITING", waiting),
    NUMBER("LEASE_S", lease_s),
    NUMBER("LOST", lost),
};

enum {
    FIELD_COUNT = sizeof fields / sizeof *fields,
    TEXTS_BYTES = 8 * 1024, /* of all fields of an event */
    TEXT_LEAST_BYTES = 16
};

/* The member of the event that holds the text. */
static const char **text_of(const struct event *event, const struct field *field)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the caller does not write to a const event */
    return (const char **)((uintptr_t)event + field->offset);
}

/* Writes the field as text; false if the event does not have it. */
static bool write_field(const struct event *event, const struct field *field,
                        char to[static EVENT_FIELD_BYTES])
{
    const void *at = (const char *)event + field->offset;
    const struct event_number *number = at;
    const char *text;

    switch (field->type) {
    case FIELD_TEXT:
        text = *text_of(event, field);
        if (text != NULL)
            snprintf(to, EVENT_FIELD_BYTES, "%s", text);
        return text != NULL;
    case FIELD_CLASS:
        snprintf(to, EVENT_FIELD_BYTES, "%s", err_kind_name(event->failure));
        return event->failure != ERR_NONE;
    case FIELD_MOMENT:
        clock_text(*(const uint64_t *)at, to);
        return *(const uint64_t *)at != 0;
    case FIELD_NUMBER:
        snprintf(to, EVENT_FIELD_BYTES, "%lld", (long long)number->value);
        return number->given;
    }
    return false;
}

bool event_next_field(const struct event *event, size_t *at, struct event_field *ret_field)
{
    while (*at < FIELD_COUNT) {
        const struct field *field = &fields[(*at)++];

        ret_field->name = field->name;
        if (field->name != NULL && write_field(event, field, ret_field->value))
            return true;
    }
    return false;
}

/* -- the stream -----------------------------------------------------------------------------------
 */

const char *event_name(enum event_kind kind)
{
    return kinds[kind].name;
}

const char *event_message_id(enum event_kind kind)
{
    return kinds[kind].message_id;
}

enum log_level event_level(enum event_kind kind)
{
    return kinds[kind].level;
}

const char *event_level_word(enum log_level level)
{
    return log_level_words[level - LOG_LEVEL_ERR];
}

/* Hides credentials: texts may come from the CA, a consumer or a command. A text for which there is
 * no room is left out. */
static void show_texts(struct event *event, char room[static TEXTS_BYTES])
{
    size_t used = 0;

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char **text = text_of(event, &fields[i]);
        size_t left = TEXTS_BYTES - used;

        if (fields[i].type != FIELD_TEXT || *text == NULL || *text == event->message)
            continue;
        if (left < TEXT_LEAST_BYTES) {
            *text = NULL;
            continue;
        }
        hide_line(room + used, left < EVENT_FIELD_BYTES ? left : EVENT_FIELD_BYTES, *text);
        *text = room + used;
        used += strlen(*text) + 1;
    }
}

void event_emit(const struct event *event, const char *format, ...)
{
    char raw[EVENT_MESSAGE_BYTES], message[EVENT_MESSAGE_BYTES];
    char texts[TEXTS_BYTES];
    struct event heard = *event;
    struct event_listener *next;
    va_list args;

    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    hide_line(message, sizeof message, raw);
    heard.message = message;
    show_texts(&heard, texts);
    heard.number = ++stream.last;
    heard.at_ms = clock_now_ms();
    if (heard.level == 0)
        heard.level = event_level(event->kind);
    for (struct event_listener *at = stream.listeners; at != NULL; at = next) {
        next = at->next;
        at->on_event(at->arg, &heard);
    }
}

static struct event_listener **place_of(const struct event_listener *listener)
{
    struct event_listener **at = &stream.listeners;

    while (*at != NULL && *at != listener)
        at = &(*at)->next;
    return at;
}

void event_listen(struct event_listener *listener)
{
    struct event_listener **place = place_of(listener);

    if (*place == NULL) {
        listener->next = NULL;
        *place = listener;
    }
}

void event_ignore(struct event_listener *listener)
{
    struct event_listener **place = place_of(listener);

    if (*place != NULL)
        *place = listener->next;
}

/* -- copies ---------------------------------------------------------------------------------------
 */

struct event *event_keep(const struct event *event)
{
    size_t bytes = sizeof *event;
    struct event *kept;
    char *end;

    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].type == FIELD_TEXT && *text_of(event, &fields[i]) != NULL)
            bytes += strlen(*text_of(event, &fields[i])) + 1;
    kept = malloc(bytes);
    if (kept == NULL)
        return NULL;
    *kept = *event;
    end = (char *)(kept + 1);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char **text = text_of(kept, &fields[i]);

        if (fields[i].type != FIELD_TEXT || *text == NULL)
            continue;
        bytes = strlen(*text) + 1;
        *text = memcpy(end, *text, bytes);
        end += bytes;
    }
    return kept;
}

void event_free(struct event *event)
{
    free(event);
}
