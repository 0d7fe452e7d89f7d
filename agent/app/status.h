/*
 * status - compares each section with its published set: one model for all views
 *
 * Read from disk only, so that it is correct whether an agent runs or not. The table, the JSON and
 * `leafd ready` are views of it.
 */
#ifndef LEAFD_APP_STATUS_H
#define LEAFD_APP_STATUS_H

#include "cert/consumer.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdio.h>

enum status_word {
    STATUS_FRESH,        /* usable, as the section asks, not due, and the consumer was reloaded */
    STATUS_DUE,          /* usable, but its renewal is due: a working agent renews it now */
    STATUS_NOT_RELOADED, /* usable, but the consumer was not reloaded, or the reload failed */
    STATUS_NOT_PROVEN,   /* usable, but the consumer was not seen to serve it */
    STATUS_ROLLED_BACK,  /* usable, but the consumer refused a newer one */
    STATUS_CHANGED,      /* usable, but the section now asks for something else */
    STATUS_DAMAGED,      /* files were changed or removed */
    STATUS_REVOKED,      /* revoked, and not replaced yet, or must not be replaced */
    STATUS_EARLY,        /* it is not valid yet: the clock of this machine was set back */
    STATUS_EXPIRED,
    STATUS_MISSING, /* no set is published, or none that can be used */
    STATUS_UNKNOWN, /* this user may not read the state or the directory */
    STATUS_WORD_COUNT
};

/* One certificate; texts live in the arena of the list. */
struct status_row {
    const char *name, *directory;
    enum status_word word;
    bool usable;        /* a sound set is in place that is valid now */
    bool is_intact;     /* its files exist under their names, as they were written */
    const char *detail; /* why it is not fresh; "" if it is */
    const char *serial, *fingerprint;
    /* 0 if nothing is published. end_s: the earliest notAfter on its path. */
    uint64_t not_before_s, not_after_s, end_s, due_s;
    enum consumer_progress reload;
    bool is_hidden;    /* this user may not read all of it: the state, or the directory */
    bool serves_bad;   /* the consumer was seen to serve an expired leaf, or one that the set never
                          held */
    const char *chain; /* the last proof's result for the served chain; NULL: not proven */
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
 * status_read - reads the sets of the named certificates, or of all if `count` is 0
 *
 * Takes no lock and needs no permission to read keys. Fails with class local without memory; a read
 * error is reported in the row.
 */
bool status_read(const struct config *config, const char *const *names, size_t count,
                 struct status *ret_status, struct err *err);

/* status_is_hidden - whether there is a row that this user may not read completely */
bool status_is_hidden(const struct status *status);

/* status_all_fresh - whether every row is fresh */
bool status_all_fresh(const struct status *status);

/*
 * status_is_ready - whether each set is usable and no finished proof showed a bad certificate
 *
 * A bad certificate had expired, or the set never held it. A reload or proof that is under way, or
 * that found no consumer, does not count: the consumer may wait for leafd to be ready. For a user
 * who may not read the state, only the files count.
 */
bool status_is_ready(const struct status *status);

/*
 * status_wait_ready - the same for all certificates, polled until it holds or the time is over
 *
 * Blocks for `wait_s` seconds at most, and reads once a second; 0 reads once. *ret_hidden: this
 * user may not read all of it. Fails with class local without memory.
 */
bool status_wait_ready(const struct config *config, uint64_t wait_s, bool *ret_ready,
                       bool *ret_hidden, struct err *err);

/* status_free - frees what was read; also the release for CLEANUP */
void status_free(struct status *status);

/* status_print_table - prints a line for each certificate, and below it why it is not fresh */
void status_print_table(const struct status *status, FILE *to);

/* status_print_json - prints an array of objects, whose fields leafd(8) lists; false if memory ran
 * out */
bool status_print_json(const struct status *status, FILE *to);

#endif
