/*
 * consumer - how far the consumer has come with a generation, and when to take it back
 *
 * pending -> reloaded -> proven, or failed: read from what is kept on disk, so that a restart
 * resumes it and `leafd status` tells it without an agent. Pure.
 */
#ifndef LEAFD_CERT_CONSUMER_H
#define LEAFD_CERT_CONSUMER_H

#include "config/config.h"
#include "install/cert_state.h"

enum { SERVED_TEXT_BYTES = 256 };

enum consumer_progress {
    PROGRESS_NONE,     /* the section neither tells nor asks a consumer */
    PROGRESS_PENDING,  /* it has not been told yet */
    PROGRESS_RELOADED, /* it was told */
    PROGRESS_PROVEN,   /* it was seen to serve it */
    PROGRESS_FAILED,   /* it could not be told, or does not serve it */
    PROGRESS_COUNT     /* not known, for who may not read it */
};

/* consumer_progress_of - how far the consumer is with that generation */
enum consumer_progress consumer_progress_of(const struct consumer_state *consumer,
                                            const struct cert_config *cert, const char *generation);

/* consumer_is_notified - whether the reload lines were carried out for it, or there are none */
bool consumer_is_notified(const struct consumer_state *consumer, const struct cert_config *cert,
                          const char *generation);

/* consumer_is_verified - whether nothing is left to be done: notified, and proven if wanted */
bool consumer_is_verified(const struct consumer_state *consumer, const struct cert_config *cert,
                          const char *generation);

/* consumer_progress_name - the word that status and logs use; never NULL */
const char *consumer_progress_name(enum consumer_progress state);

/*
 * consumer_is_awaited - whether the consumer was not there, and never took a generation
 *
 * It may be started once leafd is ready, as in a pod, and reads the files then: no failure.
 */
bool consumer_is_awaited(const struct consumer_state *consumer);

/* consumer_note_leaf - the leaf of that fingerprint is published */
void consumer_note_leaf(struct consumer_state *consumer, const char *fingerprint);

/* consumer_knows_leaf - whether that leaf was published here, as far back as is remembered */
bool consumer_knows_leaf(const struct consumer_state *consumer, const char *fingerprint);

/* consumer_forget_tries - nothing is left of what was tried: only of what was published and seen */
void consumer_forget_tries(struct consumer_state *consumer);

/*
 * served_is_bad - whether the consumer serves a leaf that has ended, or a foreign one
 *
 * As the last finished look showed it. While the reload onto `generation` has not succeeded, the
 * consumer is taken to serve at `now_s` what it served then. An older leaf of this set that is
 * still valid is not bad: it does its work. False if the section asks for no proof, or nobody was
 * seen.
 */
bool served_is_bad(const struct consumer_state *consumer, const struct cert_config *cert,
                   const char *generation, uint64_t now_s);

/*
 * served_text - which certificate was last seen to be served and when that one ends, for people
 *
 * A look since then may have shown none, as a command that failed does. "" if nobody was seen, or
 * who serves what is published.
 */
void served_text(const struct served_state *served, const char *published_serial, uint64_t now_s,
                 char to[static SERVED_TEXT_BYTES]);

/*
 * rollback_is_due - whether the consumer has refused the generation often enough
 *
 * Only what was never accepted is taken back, only after REFUSALS_ENOUGH refusals in a row, and
 * only while there is another generation that the consumer had accepted. A consumer that goes on
 * serving the old leaf without complaint does not refuse: it is told again.
 */
bool rollback_is_due(const struct consumer_state *consumer, const struct cert_config *cert,
                     const char *generation, const char *previous);

enum { REFUSALS_ENOUGH = 3 };

#endif
