/*
 * event - the stream of events of the process
 *
 * Every event is emitted once, with its fields; listeners show or count events, such as the log. An
 * event's name, severity and MESSAGE_ID do not change between releases; event.c has one table of
 * them, and leafd(8) documents them.
 *
 * The stream belongs to the thread of the event loop: events are emitted and received only there.
 * Folders below cert/, except ca/, return errors instead.
 */
#ifndef LEAFD_BASE_EVENT_H
#define LEAFD_BASE_EVENT_H

#include "base/err.h"

#include <stddef.h>

enum event_kind {
    EVENT_STARTED,
    EVENT_STOPPING,
    EVENT_READY,
    EVENT_CONFIG_APPLIED,
    EVENT_CONFIG_BROKEN,
    EVENT_CONFIG_GOOD,
    EVENT_CONTROL_FAILED,
    EVENT_CONTROL_BACK,
    EVENT_LISTENING,
    EVENT_LISTEN_FAILED,
    EVENT_ADVICE,
    EVENT_LOGGED_IN,
    EVENT_LOGIN_FAILED,
    EVENT_TOKEN_RENEWED,
    EVENT_TOKEN_LOST,
    EVENT_REDIRECTED,
    EVENT_FOUND,
    EVENT_KEPT,
    EVENT_DAMAGED,
    EVENT_WANTED,
    EVENT_ISSUED,
    EVENT_HELD,
    EVENT_PUBLISHED,
    EVENT_FAILED,
    EVENT_EXPIRING,
    EVENT_EXPIRED,
    EVENT_WAITS,
    EVENT_LINK_FAILED,
    EVENT_RELOADED,
    EVENT_RELOAD_FAILED,
    EVENT_AWAITED,
    EVENT_PROVEN,
    EVENT_PROOF_FAILED,
    EVENT_PROOF_LOST,
    EVENT_SERVED,
    EVENT_ROLLED_BACK,
    EVENT_ROLLBACK_FAILED,
    EVENT_CA_AWAY,
    EVENT_CA_BACK,
    EVENT_CA_CHANGED,
    EVENT_WITHDRAWN,
    EVENT_FORGOTTEN,
    EVENT_CLOCK_SET,
    EVENT_CLOCK_SKEW,
    EVENT_CLOCK_AGREES,
    EVENT_DISK_STUCK,
    EVENT_DISK_BACK,
    EVENT_REVOKED,
    EVENT_HOOK_FAILED,
    EVENT_HOOK_DROPPED,
    EVENT_AUDIT_FAILED,
    EVENT_AUDIT_BACK,
    EVENT_LOG_LOST, /* the log's own event, as the next one: base/log */
    EVENT_DETAIL,
    EVENT_BUG,
    EVENT_KIND_COUNT
};

/* The severities of syslog(3) that leafd uses, and their numbers there. */
enum log_level {
    LOG_LEVEL_ERR = 3,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

/* The configuration's words for the severities, from LOG_LEVEL_ERR on, then NULL. */
extern const char *const log_level_words[];

/* An optional number of an event; {0}: none. */
struct event_number {
    bool given;
    int64_t value;
};

#define EVENT_NUMBER(number) ((struct event_number){true, (int64_t)(number)})

/*
 * An event. Texts are NULL and times 0 where they do not apply. A listener gets every text without
 * credentials and printable, on one line; it borrows the event until it returns.
 */
struct event {
    enum event_kind kind;
    enum log_level level; /* 0 in event_emit: the level of the kind */
    uint64_t number;      /* in the stream, from 1 on; set by event_emit */
    uint64_t at_ms;       /* wall clock; likewise */

    const char *cert;       /* its section's name; NULL: of the agent as a whole */
    const char *generation; /* of the set that it is about */
    const char *serial;
    const char *served; /* the serial number that the consumer was last seen to serve */
    const char *directory;
    const char *method;     /* of the login */
    const char *from, *to;  /* of a redirect */
    const char *followed;   /* likewise: yes or no */
    const char *reason;     /* the reason, as a text that follows "because" */
    const char *request_id; /* of the CA's reply, as its audit log has it */
    const char *issuer;     /* of the leaf, RFC 2253 */
    const char *names;      /* of the leaf, separated by spaces */
    const char *pki_mount, *pki_role;
    const char *address;     /* of the consumer, where the proof reached it */
    const char *tls_version; /* of the proof, such as TLSv1.3 */
    const char *top;         /* the subject of the last certificate that the consumer sent */
    const char *mutual;      /* whether the proof includes mutual TLS: yes or no */
    enum err_kind failure;   /* the class; ERR_NONE: no failure */
    uint64_t not_before_s;   /* times on the wall clock */
    uint64_t not_after_s;    /* of the leaf */
    uint64_t end_s;          /* the expiry of the set: the earliest on its path */
    uint64_t due_s;          /* its renewal */
    uint64_t served_until_s; /* the notAfter of what is served */
    struct event_number next_try_ms;
    struct event_number by_s;    /* the step of the clock */
    struct event_number skew_s;  /* this machine behind the CA */
    struct event_number away_s;  /* the length of the outage */
    struct event_number waiting; /* certificates that were wanted meanwhile */
    struct event_number lease_s; /* how long the token lives; 0: without end */
    struct event_number lost;    /* events that were dropped, or lines that were not written */

    const char *message; /* the text, made by event_emit */
};

/* event_name - the word for the kind that logs use; never NULL */
const char *event_name(enum event_kind kind);

/* event_message_id - the journal's MESSAGE_ID of the kind, sd_journal_send(3) */
const char *event_message_id(enum event_kind kind);

/* event_level - the default severity of the kind */
enum log_level event_level(enum event_kind kind);

/* event_level_word - the configuration's word for a severity */
const char *event_level_word(enum log_level level);

/* event_emit - calls all listeners; `format` makes the message. Borrows all arguments */
void event_emit(const struct event *event, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Called for every event, in the order of their numbers. */
typedef void event_heard(void *arg, const struct event *event);

/* A listener, embedded in its owner. */
struct event_listener {
    event_heard *on_event;
    void *arg;
    struct event_listener *next; /* event's own */
};

/* event_listen - adds a listener, which is borrowed until event_ignore; once is enough */
void event_listen(struct event_listener *listener);

/* event_ignore - removes a listener; one that was not added is fine */
void event_ignore(struct event_listener *listener);

/* The longest field holds the names of a certificate. */
enum { EVENT_FIELD_BYTES = 4096, EVENT_MESSAGE_BYTES = 1024 };

/* One field beside the message, as text: its name in capital letters, such as NOT_AFTER. The
 * journal names it LEAFD_NOT_AFTER. */
struct event_field {
    const char *name;
    char value[EVENT_FIELD_BYTES];
};

/*
 * event_next_field - the next field that the event has
 *
 * *at is 0 before the first call and is advanced; false after the last field.
 */
bool event_next_field(const struct event *event, size_t *at, struct event_field *ret_field);

/* event_keep - a copy with texts of its own, for event_free; NULL if memory ran out */
struct event *event_keep(const struct event *event);

/* event_free - frees an event of event_keep; NULL is fine */
void event_free(struct event *event);

#endif
