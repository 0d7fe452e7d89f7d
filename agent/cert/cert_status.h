/*
 * cert_status - the state of a certificate in one word, and why it is not fresh
 *
 * app/status fills in the facts from disk. Pure.
 */
#ifndef LEAFD_CERT_CERT_STATUS_H
#define LEAFD_CERT_CERT_STATUS_H

#include "cert/consumer.h"
#include "install/installed.h"
#include "install/publish.h"

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

/* What is known of a certificate. All pointers are borrowed; no text is NULL unless it says so. */
struct status_facts {
    const struct cert_config *section;
    const struct cert_state *state;
    enum installed_health health;
    const char *why;        /* why the health is not WHOLE */
    const char *difference; /* of the section from the certificate; NULL: none */
    bool is_intact;         /* its files exist under their names, as they were written */
    bool is_hidden;         /* this user may not read the state or the directory */
    enum revocation revocation;
    /* "" and 0 if nothing is published. end_s: the earliest notAfter on its path. */
    const char *generation, *serial, *fingerprint;
    uint64_t not_before_s, not_after_s, end_s, due_s;
    const struct record *record; /* of what is published; NULL: nothing is */
};

/* status_judge - the word, and in *ret_detail why it is not fresh, "" if nothing is to be added */
enum status_word status_judge(const struct status_facts *facts, uint64_t now_s,
                              const char **ret_detail);

/* status_word_name - the word as commands print it; never NULL */
const char *status_word_name(enum status_word word);

/* status_is_failing - whether the last try failed, to have the certificate issued or to make the
 * consumer load it; a consumer that was never there is only awaited */
bool status_is_failing(const struct cert_state *state);

/*
 * status_advice - what a person can do about it, or what is done; NULL if nothing is to be done
 *
 * `word` is that of status_judge. `by_agent`: an agent that runs says so.
 */
const char *status_advice(const struct cert_state *state, enum status_word word, bool by_agent);

/* status_is_usable - whether a sound set is in place that is valid at `now_s` */
bool status_is_usable(const struct status_facts *facts, uint64_t now_s);

/*
 * status_is_ready - whether the set is usable and no finished proof showed a bad certificate
 *
 * A bad certificate had expired, or the set never held it. A reload or proof that is under way, or
 * that found no consumer, does not count: the consumer may wait for leafd to be ready. For a user
 * who may not read the state, only the files count.
 */
bool status_is_ready(const struct status_facts *facts, uint64_t now_s);

#endif
