/*
 * status - what is wanted, what is published, and what stands between: one model
 *
 * Read from disk alone, so that it tells the truth whether an agent runs or not. The table, the
 * JSON and `leafd ready` are views of it.
 */
#ifndef LEAFD_APP_STATUS_H
#define LEAFD_APP_STATUS_H

#include "cert/consumer.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdio.h>

enum status_word {
    STATUS_FRESH,        /* usable, as the section wants it, not due, and the consumer was told */
    STATUS_DUE,          /* usable, but its renewal is due: an agent that is well renews it now */
    STATUS_NOT_RELOADED, /* usable, but the consumer was not told of it, or could not be */
    STATUS_NOT_PROVEN,   /* usable, but the consumer was not seen to serve it */
    STATUS_ROLLED_BACK,  /* usable, but the consumer refused a newer one */
    STATUS_CHANGED,      /* usable, but not what the section wants now */
    STATUS_DAMAGED,      /* files were changed or removed */
    STATUS_REVOKED,      /* revoked, and not replaced yet, or not to be replaced */
    STATUS_EARLY,        /* it is not valid yet: the clock of this machine went back */
    STATUS_EXPIRED,
    STATUS_MISSING, /* nothing is published, or nothing that could be used */
    STATUS_UNKNOWN, /* this user may not read what would tell */
    STATUS_WORD_COUNT
};

/* One certificate; texts live in the arena of the list. */
struct status_row {
    const char *name, *directory;
    enum status_word word;
    bool usable;        /* a sound set that has begun and not ended is in place */
    bool is_intact;     /* its files are there, under their names, as they were written */
    const char *detail; /* why it is not fresh; "" if it is */
    const char *serial, *fingerprint;
    /* 0 if nothing is published. end_s: the earliest notAfter on its path. */
    uint64_t not_before_s, not_after_s, end_s, due_s;
    enum consumer_progress reload;
    bool is_hidden;    /* this user may not read all of it: the state, or the directory */
    bool serves_bad;   /* the consumer was seen to serve a leaf that had ended, or a foreign one */
    const char *chain; /* what the last proof showed of the served chain; NULL: not proven */
    struct cert_state state;
};

/* Initialise with {0}, end with status_free. */
struct status {
    struct arena arena;
    struct status_row *rows;
    size_t count;
    uint64_t now_s;
};

/*
 * status_read - looks at the named certificates, or at all if `count` is 0
 *
 * Takes no lock and needs no permission to read keys. Fails with class local without memory; what
 * cannot be read is told in the row.
 */
bool status_read(const struct config *config, const char *const *names, size_t count,
                 struct status *ret_status, struct err *err);

/* status_is_hidden - whether there is a row of which this user may not read all */
bool status_is_hidden(const struct status *status);

/* status_all_fresh - whether every row is fresh */
bool status_all_fresh(const struct status *status);

/*
 * status_is_ready - whether each set is usable and no finished proof showed a bad certificate
 *
 * Bad is one that had ended, or that the set never held. A reload or proof that is under way, or
 * that nobody answered, does not count: the consumer may wait for leafd to be ready. Nor does one
 * that this user may not read of: then the files alone tell.
 */
bool status_is_ready(const struct status *status);

/*
 * status_wait_ready - the same for all certificates, looked at until it is so or the time is over
 *
 * Blocks for `wait_s` seconds at most, and looks once a second; 0 looks once. *ret_hidden: this
 * user may not read all that would tell. Fails with class local without memory.
 */
bool status_wait_ready(const struct config *config, uint64_t wait_s, bool *ret_ready,
                       bool *ret_hidden, struct err *err);

/* status_free - frees what was read; also the release for CLEANUP */
void status_free(struct status *status);

/* status_print_table - a line for each certificate, and below it what keeps it from being fresh */
void status_print_table(const struct status *status, FILE *to);

/* status_print_json - an array of objects, whose fields leafd(8) lists; false if memory ran out */
bool status_print_json(const struct status *status, FILE *to);

#endif
