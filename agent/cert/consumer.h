/*
 * consumer - the consumer's progress with a generation, and when to roll back
 *
 * The progress is pending, reloaded, proven or failed. It is derived from the saved state, so that
 * a restart resumes there and `leafd status` shows it without an agent. Pure.
 */
#ifndef LEAFD_CERT_CONSUMER_H
#define LEAFD_CERT_CONSUMER_H

#include "config/config.h"
#include "install/cert_state.h"

enum { SERVED_TEXT_BYTES = 256 };

enum consumer_progress {
    PROGRESS_NONE,     /* the section has neither reload nor proof */
    PROGRESS_PENDING,  /* the consumer was not reloaded yet */
    PROGRESS_RELOADED, /* it was reloaded */
    PROGRESS_PROVEN,   /* it was seen to serve the generation */
    PROGRESS_FAILED,   /* the reload or the proof failed */
    PROGRESS_COUNT     /* not known: this user may not read the state */
};

/* consumer_progress_of - the progress with that generation */
enum consumer_progress consumer_progress_of(const struct consumer_state *consumer,
                                            const struct cert_config *cert, const char *generation);

/* consumer_is_notified - whether the reload lines succeeded for it, or there are none */
bool consumer_is_notified(const struct consumer_state *consumer, const struct cert_config *cert,
                          const char *generation);

/* consumer_is_verified - whether it was notified, and proven if the section asks for a proof */
bool consumer_is_verified(const struct consumer_state *consumer, const struct cert_config *cert,
                          const char *generation);

/* consumer_progress_name - the word for status and logs; never NULL */
const char *consumer_progress_name(enum consumer_progress state);

/*
 * consumer_is_awaited - whether the consumer was not there and has never accepted a generation
 *
 * This is no failure: in a pod it may be started when leafd is ready, and then reads the files.
 */
bool consumer_is_awaited(const struct consumer_state *consumer);

/* consumer_note_leaf - stores that the leaf with that fingerprint is published */
void consumer_note_leaf(struct consumer_state *consumer, const char *fingerprint);

/* consumer_knows_leaf - whether that leaf is one of the last that were published here */
bool consumer_knows_leaf(const struct consumer_state *consumer, const char *fingerprint);

/* consumer_forget_tries - clears everything except the published leaves and what was seen */
void consumer_forget_tries(struct consumer_state *consumer);

/*
 * served_is_bad - whether the consumer serves an expired leaf, or one that this set never held
 *
 * According to its last finished check. Until the reload for `generation` succeeds, the consumer is
 * assumed to serve the same leaf at `now_s`. An older leaf of this set that is still valid is not
 * bad. False if the section has no proof, or nothing was seen.
 */
bool served_is_bad(const struct consumer_state *consumer, const struct cert_config *cert,
                   const char *generation, uint64_t now_s);

/*
 * served_text - which certificate the consumer was last seen to serve, and when it ends, for people
 *
 * A later check may have failed. "" if nothing was seen, or if it is the published certificate.
 */
void served_text(const struct served_state *served, const char *published_serial, uint64_t now_s,
                 char to[static SERVED_TEXT_BYTES]);

/*
 * rollback_is_due - whether the consumer has refused the generation often enough for a rollback
 *
 * Only a generation that it never accepted is rolled back, after REFUSALS_ENOUGH refusals in a row,
 * and only if it accepted `previous`. A consumer that serves the old leaf without an error has not
 * refused the new one; it is reloaded again.
 */
bool rollback_is_due(const struct consumer_state *consumer, const struct cert_config *cert,
                     const char *generation, const char *previous);

enum { REFUSALS_ENOUGH = 3 };

#endif
