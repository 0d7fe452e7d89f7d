/*
 * cert - one certificate that is kept fresh: its two state machines
 *
 * Issuance keeps a valid certificate published; deployment makes the consumer load it. They share
 * the set on disk and its state, and tell each other which generation is published. Neither
 * interrupts the other. All functions are called on the event loop's thread.
 */
#ifndef LEAFD_CERT_CERT_H
#define LEAFD_CERT_CERT_H

#include "ca/ca.h"
#include "cert/cert_work.h"
#include "cert/consumer.h"
#include "cert/issuance_stages.h"

struct cert;

/* Called when something about a certificate may have changed: what is published, or what it waits
 * for. */
typedef void cert_observer(void *arg, struct cert *cert);

/*
 * cert_new - creates a certificate; cert_begin starts it
 *
 * Takes a reference of `config`. Borrows `tools`, which must outlive it. NULL with *err filled
 * (class local). The caller ends it with cert_free.
 */
struct cert *cert_new(struct cert_tools *tools, struct config *config,
                      const struct cert_config *section, cert_observer *observer, void *arg,
                      struct err *err);

/*
 * cert_begin - starts to read the set from disk
 *
 * Call it when all certificates were created: temporary memory of the reads would otherwise
 * fragment the heap between them.
 */
void cert_begin(struct cert *cert);

/* cert_note_end - starts to save that the process ends in order: cert_work_note_end */
void cert_note_end(struct cert *cert);

/* cert_abandon - removes what no section needs any more, before cert_free: cert_work_abandon */
void cert_abandon(struct cert *cert, const struct config *config);

/* cert_free - ends both machines; published files stay. NULL is fine */
void cert_free(struct cert *cert);

/*
 * cert_adopt - continues with the section of a new configuration
 *
 * If the section has changed, work under way is stopped and starts again, in every state. Only a
 * switch of the visible names is awaited, which is short unless the disk hangs. Failed operations
 * are retried at once, also if the section has not changed. Takes a reference of `config`.
 */
void cert_adopt(struct cert *cert, struct config *config, const struct cert_config *section);

/*
 * cert_recompute - computes all times again after the clock was set
 *
 * `sooner`: retry failures that the wrong clock may have caused within seconds.
 */
void cert_recompute(struct cert *cert, bool sooner);

/* cert_ca_is_back - the CA answers again: retries a certificate soon that has ended or is about
 * to */
void cert_ca_is_back(struct cert *cert);

/*
 * cert_try_within - shortens waits after failures to a random part of `most_ms`
 *
 * False if no retry follows, because the certificate waits for something else.
 */
bool cert_try_within(struct cert *cert, uint64_t most_ms);

/* How far the renewal that an operator asked for has come. */
enum cert_answer {
    CERT_UNDER_WAY,
    CERT_RENEWED,     /* a new certificate is published, and its consumer was told */
    CERT_HELD,        /* a new certificate is held until cert_held_until_s */
    CERT_WITHDRAWN,   /* it was revoked, and is replaced only if it is asked for by name */
    CERT_NOT_RENEWED, /* the try has failed, and is repeated: cert_failure */
    CERT_NOT_REPEATED /* it has failed, and none was needed: cert_unmet */
};

/*
 * cert_ask - an operator asks for a new certificate now, though none may be due
 *
 * issuance_ask says what that means in each state. Never a second issuance beside one under way:
 * its result is also that of the new request.
 */
void cert_ask(struct cert *cert, bool by_name);

/* cert_issued - how many new certificates were published since the start */
unsigned cert_issued(const struct cert *cert);

/* cert_answer - how far it has come; `issued` is what cert_issued returned before cert_ask */
enum cert_answer cert_answer(const struct cert *cert, unsigned issued);

/* cert_held_until_s - until when a new certificate is held; 0: none is */
uint64_t cert_held_until_s(const struct cert *cert);

/* cert_retry - an operator asks to end its waits after failures; false if it has none, or only a
 * new certificate would help */
bool cert_retry(struct cert *cert);

/* cert_has_retried - whether it rests again after cert_retry */
bool cert_has_retried(const struct cert *cert);

/* cert_take_mark - a mark of revocation was written for that generation; directories are also
 * watched for it */
void cert_take_mark(struct cert *cert, const char *generation, enum revocation revocation);

/* cert_name - the section's name, borrowed */
const char *cert_name(const struct cert *cert);

/* cert_issuance_state - the state of issuance */
enum issuance_state cert_issuance_state(const struct cert *cert);

/* cert_published - the published generation; `usable` is false if it is not valid now, and `due_s`
 * is 0 if it was withdrawn */
struct cert_published cert_published(const struct cert *cert);

/* cert_doing - what it does now, as a text for people; NULL while both machines wait */
const char *cert_doing(const struct cert *cert);

/* cert_section - its section of the configuration in use, borrowed */
const struct cert_config *cert_section(const struct cert *cert);

/* cert_consumer - the consumer's progress with what is published */
enum consumer_progress cert_consumer(const struct cert *cert);

/* cert_known_state - its state, which may be newer than the saved one; NULL: it was not read yet.
 * Borrowed */
const struct cert_state *cert_known_state(const struct cert *cert);

/* cert_rests - whether both machines wait, for a time or for a retry */
bool cert_rests(const struct cert *cert);

/*
 * cert_tried - whether its first try has ended
 *
 * True when issuance has come to rest once, or waits for a CA that is away: one failed request then
 * counts for all certificates. Does not wait for reloads and proofs.
 */
bool cert_tried(const struct cert *cert);

/*
 * cert_failure - the failure after which it waits for a retry, of issuance, else of deployment
 *
 * NULL if it does not wait for a retry, or only waits for its consumer to be started. Borrowed.
 */
const struct err *cert_failure(const struct cert *cert);

/* cert_awaits_ca - whether it waits for the CA's answer, or for its next try */
bool cert_awaits_ca(const struct cert *cert);

/*
 * cert_unmet - with CERT_NOT_REPEATED: why the try has failed; borrowed, while the observer runs
 *
 * *ret_fresh is false if the certificate in place was withdrawn.
 */
const struct err *cert_unmet(const struct cert *cert, bool *ret_fresh);

/*
 * cert_trouble - the failures since the last success, of issuance, else of deployment
 *
 * Unlike cert_failure, it also gives them during a retry. NULL if there are none, if a new
 * certificate is held since, or if it only waits for its consumer to be started. Borrowed.
 */
const struct trouble *cert_trouble(const struct cert *cert);

/* The callbacks of certificates for the CA watch. */
extern const struct ca_watch_listener cert_news;

#endif
