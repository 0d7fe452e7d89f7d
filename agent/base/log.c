#include "base/log.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hide.h"
#include "base/json.h"

#include <jansson.h>
#include <systemd/sd-journal.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
    MESSAGE_BYTES = 1024,
    STANDARD_FIELDS = 4, /* of the journal: message, its id, priority, event */
    FIELDS_MOST = 12,
    VALUE_BYTES = 512,
    FIELD_BYTES = MESSAGE_BYTES + 16
};

struct kind {
    const char *name;
    enum log_level level;
    const char *message_id; /* sd_journal_send(3); what the event means stands in leafd(8) */
};

static const struct kind kinds[LOG_EVENT_COUNT] = {
    [LOG_STARTED] = {"started", LOG_LEVEL_INFO, "26ef05a2f84f4dfc9fb7018780442b85"},
    [LOG_STOPPING] = {"stopping", LOG_LEVEL_INFO, "4b2d47de24e642de8ccb18429300f9d7"},
    [LOG_READY] = {"ready", LOG_LEVEL_INFO, "87dbb4564f5443ceab49ebba1ff27e8b"},
    [LOG_CONFIG_APPLIED] = {"config-applied", LOG_LEVEL_NOTICE, "18b099619e5943f0946e66d3602b2809"},
    [LOG_CONFIG_BROKEN] = {"config-broken", LOG_LEVEL_ERR, "3d3cd2577a3a4449bbb645aa9b7fc118"},
    [LOG_ADVICE] = {"advice", LOG_LEVEL_WARNING, "16a7c21b4b33436d95a0b24d732b108d"},
    [LOG_LOGGED_IN] = {"logged-in", LOG_LEVEL_INFO, "a7fbfbe701c547b5bf4370d4dd366ef2"},
    [LOG_LOGIN_FAILED] = {"login-failed", LOG_LEVEL_WARNING, "c6f4273acbe64111a892186a45ece437"},
    [LOG_TOKEN_RENEWED] = {"token-renewed", LOG_LEVEL_DEBUG, "494789872ca54e6782398bbe87211373"},
    [LOG_TOKEN_LOST] = {"token-lost", LOG_LEVEL_NOTICE, "21cbce125c534dfba354710352e743d7"},
    [LOG_REDIRECTED] = {"redirected", LOG_LEVEL_WARNING, "849721cd059647b3884cdb09e49de74b"},
    [LOG_FOUND] = {"found", LOG_LEVEL_INFO, "ebfc4e6c92bc4dd2af9a7ae89eed1170"},
    [LOG_KEPT] = {"kept", LOG_LEVEL_INFO, "7f8500d40b0046b998dd9f42c9ac654e"},
    [LOG_DAMAGED] = {"damaged", LOG_LEVEL_WARNING, "d56eeb7a93ea4b5bbe2d8e18e10d3699"},
    [LOG_WANTED] = {"wanted", LOG_LEVEL_INFO, "6c016eaccdf545ffa27575647bb30648"},
    [LOG_HELD] = {"held", LOG_LEVEL_NOTICE, "8de9ccb91fa04ace9bc1cdc791699286"},
    [LOG_PUBLISHED] = {"published", LOG_LEVEL_NOTICE, "447f8a44e2524aac836f70d074a94e34"},
    [LOG_FAILED] = {"failed", LOG_LEVEL_ERR, "ed9f43aaae4645e5abf3252fd516c835"},
    [LOG_WAITS] = {"waits", LOG_LEVEL_INFO, "f22b98e132a94240954e10b0e32a9777"},
    [LOG_LINK_FAILED] = {"link-failed", LOG_LEVEL_ERR, "23a16c2af9424a36bb649122490e6ec9"},
    [LOG_RELOADED] = {"reloaded", LOG_LEVEL_INFO, "f7069ee565db4b2cba93a4a6a0250fbb"},
    [LOG_RELOAD_FAILED] = {"reload-failed", LOG_LEVEL_ERR, "a50e6efbf9954576abd547d8f9cb8752"},
    [LOG_AWAITED] = {"awaited", LOG_LEVEL_INFO, "ec51653f54f448f1aa3e6e0374fbbfe2"},
    [LOG_PROVEN] = {"proven", LOG_LEVEL_INFO, "06608c4932e2439e8927a3f595dd4288"},
    [LOG_PROOF_FAILED] = {"proof-failed", LOG_LEVEL_ERR, "591b1be3d56c4bd7bcd19b2e167d4c68"},
    [LOG_PROOF_LOST] = {"proof-lost", LOG_LEVEL_WARNING, "55032d053a5848549ffe7d2b12900bac"},
    [LOG_ROLLED_BACK] = {"rolled-back", LOG_LEVEL_ERR, "92b185bcf2f54844828cc73cb0cd099d"},
    [LOG_ROLLBACK_FAILED] = {"rollback-failed", LOG_LEVEL_ERR, "f3cc569015f949d5a768c14bf724dd78"},
    [LOG_CA_CHANGED] = {"ca-changed", LOG_LEVEL_NOTICE, "9b2948f33d5047c0b228d48a218fa446"},
    [LOG_WITHDRAWN] = {"withdrawn", LOG_LEVEL_WARNING, "c9bdd96d60744a2285a2bb93fec59565"},
    [LOG_FORGOTTEN] = {"forgotten", LOG_LEVEL_NOTICE, "e907e6412b8e4a5b9dc6dbbecf500291"},
    [LOG_CLOCK_SET] = {"clock-set", LOG_LEVEL_NOTICE, "e0433a5bc3a740d1950616cf7eb24fa1"},
    [LOG_CLOCK_SKEW] = {"clock-skew", LOG_LEVEL_WARNING, "bc0f27d4206243c4b0521a1ca0bac374"},
    [LOG_CLOCK_AGREES] = {"clock-agrees", LOG_LEVEL_NOTICE, "293d6987360d46e9a8d4518cd8f56ce8"},
    [LOG_BUG] = {"bug", LOG_LEVEL_ERR, "874ae20ce29646a5b7156183d22c7851"},
    [LOG_DETAIL] = {"detail", LOG_LEVEL_DEBUG, "46285767c62e498ca93fa7d288373ee2"},
};

const char *const log_level_words[] = {"error", "warning", "notice", "info", "debug", NULL};

static struct {
    enum log_format format;
    enum log_level most;
} logger = {LOG_FORMAT_TEXT, LOG_LEVEL_INFO};

/* JOURNAL_STREAM holds "DEVICE:INODE" of the socket that systemd connected us to: systemd.exec(5).
 */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat about;

    if (stream == NULL || fstat(STDERR_FILENO, &about) != 0)
        return false;
    snprintf(ours, sizeof ours, "%llu:%llu", (unsigned long long)about.st_dev,
             (unsigned long long)about.st_ino);
    return strcmp(stream, ours) == 0;
}

void log_setup(enum log_format format, enum log_level most)
{
    if (format == LOG_FORMAT_AUTO) {
        if (stderr_is_journal())
            format = LOG_FORMAT_JOURNAL;
        else
            format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    }
    logger.format = format;
    logger.most = most;
}

static const char *level_word(enum log_level level)
{
    return log_level_words[level - LOG_LEVEL_ERR];
}

static void lower_case(char *to, size_t size, const char *from)
{
    size_t i;

    for (i = 0; i + 1 < size && from[i] != '\0'; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
    to[i] = '\0';
}

/* The fields that have a value, printable and without credentials; an empty one ends them. */
struct shown {
    struct log_field fields[FIELDS_MOST + 1];
    char values[FIELDS_MOST][VALUE_BYTES];
};

static void show_fields(const struct log_field *fields, struct shown *shown)
{
    size_t count = 0;

    for (; fields != NULL && fields->name != NULL && count < FIELDS_MOST; fields++) {
        if (fields->value == NULL)
            continue;
        hide_line(shown->values[count], VALUE_BYTES, fields->value);
        shown->fields[count] = (struct log_field){fields->name, shown->values[count]};
        count++;
    }
}

static void write_journal(const struct kind *kind, const struct log_field *fields,
                          const char *message)
{
    char lines[FIELDS_MOST + STANDARD_FIELDS][FIELD_BYTES];
    struct iovec parts[FIELDS_MOST + STANDARD_FIELDS];
    int count = 0;

    snprintf(lines[count++], FIELD_BYTES, "MESSAGE=%s", message);
    snprintf(lines[count++], FIELD_BYTES, "MESSAGE_ID=%s", kind->message_id);
    snprintf(lines[count++], FIELD_BYTES, "PRIORITY=%d", (int)kind->level);
    snprintf(lines[count++], FIELD_BYTES, "LEAFD_EVENT=%s", kind->name);
    for (; fields->name != NULL; fields++)
        snprintf(lines[count++], FIELD_BYTES, "%s=%s", fields->name, fields->value);
    for (int i = 0; i < count; i++)
        parts[i] = (struct iovec){lines[i], strlen(lines[i])};
    sd_journal_sendv(parts, count);
}

static void write_json(const struct kind *kind, const struct log_field *fields, const char *message)
{
    char when[WHEN_TEXT_BYTES], name[64];
    json_auto_t *line = NULL;
    CLEANUP(free_memory) char *text = NULL;

    clock_text(clock_now_s(), when);
    line = json_pack("{s:s, s:s, s:s, s:s}", "time", when, "level", level_word(kind->level),
                     "event", kind->name, "message", message);
    for (; line != NULL && fields->name != NULL; fields++) {
        lower_case(name, sizeof name, fields->name);
        json_object_set_new(line, name, json_words(fields->value));
    }
    text = json_text(line, JSON_COMPACT);
    if (text != NULL)
        fprintf(stderr, "%s\n", text);
}

static void write_text(const struct kind *kind, const struct log_field *fields, const char *message)
{
    char when[WHEN_TEXT_BYTES];
    const char *cert = NULL;

    for (; fields->name != NULL; fields++)
        if (strcmp(fields->name, "CERT") == 0)
            cert = fields->value;
    clock_text(clock_now_s(), when);
    fprintf(stderr, "%s %-7s %s%s%s\n", when, level_word(kind->level), cert == NULL ? "" : cert,
            cert == NULL ? "" : ": ", message);
}

__attribute__((format(printf, 3, 0))) static void write_line(const struct kind *kind,
                                                             const struct log_field *fields,
                                                             const char *format, va_list args)
{
    char raw[MESSAGE_BYTES], message[MESSAGE_BYTES];
    struct shown shown = {0};

    if (kind->level > logger.most)
        return;
    vsnprintf(raw, sizeof raw, format, args);
    hide_line(message, sizeof message, raw);
    show_fields(fields, &shown);
    if (logger.format == LOG_FORMAT_JOURNAL)
        write_journal(kind, shown.fields, message);
    else if (logger.format == LOG_FORMAT_JSON)
        write_json(kind, shown.fields, message);
    else
        write_text(kind, shown.fields, message);
}

void log_write(enum log_event event, const struct log_field *fields, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(&kinds[event], fields, format, args);
    va_end(args);
}

void log_write_milder(enum log_level level, enum log_event event, const struct log_field *fields,
                      const char *format, ...)
{
    struct kind kind = kinds[event];
    va_list args;

    kind.level = level;
    va_start(args, format);
    write_line(&kind, fields, format, args);
    va_end(args);
}
