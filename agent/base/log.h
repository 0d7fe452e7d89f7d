/*
 * log - one line per event, for people and for machines
 *
 * Every event has a name, a severity and a MESSAGE_ID that do not change from release to release;
 * they stand in one table in log.c. Under systemd a line goes to the journal with its fields; on a
 * terminal it is text; anywhere else it is one JSON object. What to log is the business of flow/
 * and main.c; the rooms below them return errors instead and speak only at level debug.
 *
 * The logger is the one thing in leafd that is global: where a line goes does not depend on who
 * writes it.
 */
#ifndef LEAFD_BASE_LOG_H
#define LEAFD_BASE_LOG_H

enum log_event {
    LOG_STARTED,
    LOG_STOPPING,
    LOG_READY,
    LOG_CONFIG_APPLIED,
    LOG_CONFIG_BROKEN,
    LOG_ADVICE,
    LOG_LOGGED_IN,
    LOG_LOGIN_FAILED,
    LOG_TOKEN_RENEWED,
    LOG_TOKEN_LOST,
    LOG_REDIRECTED,
    LOG_FOUND,
    LOG_KEPT,
    LOG_DAMAGED,
    LOG_WANTED,
    LOG_HELD,
    LOG_PUBLISHED,
    LOG_FAILED,
    LOG_WAITS,
    LOG_LINK_FAILED,
    LOG_RELOADED,
    LOG_RELOAD_FAILED,
    LOG_AWAITED,
    LOG_PROVEN,
    LOG_PROOF_FAILED,
    LOG_PROOF_LOST,
    LOG_ROLLED_BACK,
    LOG_ROLLBACK_FAILED,
    LOG_CA_CHANGED,
    LOG_WITHDRAWN,
    LOG_FORGOTTEN,
    LOG_CLOCK_SET,
    LOG_CLOCK_SKEW,
    LOG_CLOCK_AGREES,
    LOG_BUG,
    LOG_DETAIL,
    LOG_EVENT_COUNT
};

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* The severities of syslog(3) that leafd uses, and their numbers there. */
enum log_level {
    LOG_LEVEL_ERR = 3,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

/* A field beside the message, named as the journal names fields: CERT, SERIAL, CLASS. */
struct log_field {
    const char *name, *value;
};

/*
 * log_setup - says where lines go from now on, and up to which severity
 *
 * LOG_FORMAT_AUTO takes the journal if standard error is connected to it (JOURNAL_STREAM,
 * systemd.exec(5)), text if it is a terminal, else JSON.
 */
void log_setup(enum log_format format, enum log_level most);

/* The configuration's words for the severities, from LOG_LEVEL_ERR on, then NULL. */
extern const char *const log_level_words[];

/*
 * log_write - writes one event
 *
 * `fields` ends with an empty one, or is NULL; a field without a value is left out. What the
 * message holds of foreign text is made printable. Never fails: a line that cannot be written is
 * lost.
 */
void log_write(enum log_event event, const struct log_field *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* log_write_milder - the same with another severity: one that is less urgent this time */
void log_write_milder(enum log_level level, enum log_event event, const struct log_field *fields,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
