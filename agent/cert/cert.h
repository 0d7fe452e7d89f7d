/*
 * cert - one certificate that is kept fresh: its two machines, side by side
 *
 * Issuance keeps a certificate that is wanted in place, deployment makes the consumer take it. They
 * share the set on disk and the state that is kept there, and tell one another what is in place.
 * Neither interrupts the other.
 */
#ifndef LEAFD_CERT_CERT_H
#define LEAFD_CERT_CERT_H

#include "ca/ca.h"
#include "cert/cert_work.h"
#include "cert/issuance_stages.h"

struct cert;

/* Told when something about a certificate may have changed: what is published, or what it waits
 * for. */
typedef void cert_observer(void *arg, struct cert *cert);

/*
 * cert_new - a certificate; the caller calls cert_begin next
 *
 * Takes a reference of `config`; borrows `tools`, which outlive it. NULL with *err filled, class
 * local.
 */
struct cert *cert_new(struct cert_tools *tools, struct config *config,
                      const struct cert_config *section, cert_observer *observer, void *arg,
                      struct err *err);

/* cert_begin - reads what is on disk, from the next iteration of the loop on. Called when all
 * certificates have been made: what the read allocates is freed soon and would leave holes between
 * them */
void cert_begin(struct cert *cert);

/* cert_note_end - starts to note on disk that the process ends in order: cert_work_note_end */
void cert_note_end(struct cert *cert);

/* cert_abandon - the certificate is about to be forgotten for good: cert_work_abandon */
void cert_abandon(struct cert *cert, const struct config *config);

/* cert_free - ends both machines; what is published stays. NULL is fine */
void cert_free(struct cert *cert);

/*
 * cert_adopt - goes on with a new configuration's section
 *
 * What is under way for a section that has changed is begun anew, in every state. Only while names
 * are being switched is that waited for: a moment on a disk that answers. What failed is tried
 * again at once, changed or not.
 */
void cert_adopt(struct cert *cert, struct config *config, const struct cert_config *section);

/*
 * cert_recompute - the clock was set: computes again what is due
 *
 * A failure that the clock may be to blame for is tried again within seconds if it is `sooner`.
 */
void cert_recompute(struct cert *cert, bool sooner);

/* cert_ca_is_back - the CA answers again: what has ended, or is about to, is tried soon */
void cert_ca_is_back(struct cert *cert);

/*
 * cert_try_within - ends waits after failures within `most_ms`, jittered
 *
 * False if no try follows, since it waits for something else than another try.
 */
bool cert_try_within(struct cert *cert, uint64_t most_ms);

/* cert_name - the section's name */
const char *cert_name(const struct cert *cert);

/* cert_issuance_state - where issuance stands */
enum issuance_state cert_issuance_state(const struct cert *cert);

/* cert_published - what is published, as of now: `usable` is false for one that has ended */
struct cert_published cert_published(const struct cert *cert);

/* cert_rests - whether both machines wait: for a moment, or for another try */
bool cert_rests(const struct cert *cert);

/*
 * cert_tried - whether its first try has ended
 *
 * Issuance came to rest, or it waits for a CA that has answered nobody a moment ago: one outage
 * counts as the try of all. No reload or proof is waited for: what is published is what counts.
 */
bool cert_tried(const struct cert *cert);

/* cert_failure - why it waits for another try, of the CA or else of its consumer; NULL if it does
 * not, or only waits for its consumer to be started */
const struct err *cert_failure(const struct cert *cert);

/*
 * cert_trouble - the failures since the last success, of the CA or else of its consumer
 *
 * NULL if there were none, or if the certificate only waits for its consumer to be started. Unlike
 * cert_failure it stays while another try is under way. Belongs to the certificate.
 */
const struct trouble *cert_trouble(const struct cert *cert);

/* What the door to the CA asks of a certificate and tells to it. */
extern const struct ca_watch_listener cert_news;

#endif
