/*
 * reply - what goes back to the client
 *
 * Most replies are JSON in Vault's envelope; some are bytes. Faults change either before the server
 * sends it. Every function that refuses returns false, so that a caller can write
 * `return reply_error(...)`.
 */
#ifndef DEVCA_REPLY_H
#define DEVCA_REPLY_H

#include "base/bytes.h"

#include <jansson.h>

#include <stdbool.h>

/* Initialise with REPLY_EMPTY, end with reply_free. */
struct reply {
    unsigned status;
    json_t *json; /* NULL: `body` is sent as it is */
    struct bytes body;
    const char *content_type;
    json_t *headers;   /* further ones, name to text; NULL: none */
    unsigned delay_ms; /* to wait before sending */
    bool cut;          /* send half of it and close the connection */
};

enum { REPLY_MOST_BYTES = 16 * 1024 * 1024 };

#define REPLY_EMPTY                                                                                \
    {                                                                                              \
        .status = 200, .body = {.limit = REPLY_MOST_BYTES}, .content_type = "application/json"     \
    }

/* reply_data - 200 with `data` in the envelope; takes `data`; `mount` is mount_type, or "" */
void reply_data(struct reply *reply, json_t *data, const char *mount);

/* reply_auth - 200 with `auth` in the envelope; takes `auth` */
void reply_auth(struct reply *reply, json_t *auth, const char *mount);

/* reply_json - 200 with an object and no envelope; takes it */
void reply_json(struct reply *reply, json_t *json);

/* reply_warn - adds to the warnings of an envelope */
void reply_warn(struct reply *reply, const char *text);

/* reply_text - 200 with a text of that type instead of JSON */
void reply_text(struct reply *reply, const char *content_type, const char *text);

/* reply_bytes - 200 with bytes of that type instead of JSON */
void reply_bytes(struct reply *reply, const char *content_type, const void *data, size_t length);

/* reply_nothing - 204 without a body */
void reply_nothing(struct reply *reply);

/* reply_error - {"errors": [TEXT]}, as login errors and plain refusals come; false */
bool reply_error(struct reply *reply, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* reply_failed - the same in the words "1 error occurred:" that go-multierror adds; false */
bool reply_failed(struct reply *reply, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* reply_missing - 404 with no error in the list: nothing is there */
void reply_missing(struct reply *reply);

/* reply_header - adds a header */
void reply_header(struct reply *reply, const char *name, const char *value);

/* reply_settle - writes the JSON, if there is any, to the body */
void reply_settle(struct reply *reply);

/* reply_free - for CLEANUP, too */
void reply_free(struct reply *reply);

#endif
