/*
 * cert_work - what the two machines of a certificate share
 *
 * The section, the set on disk, the claim on it, and the saved state. The tables of issuance and
 * deployment decide what happens next. Times are seconds since 1970 on the wall clock unless noted.
 */
#ifndef LEAFD_CERT_CERT_WORK_H
#define LEAFD_CERT_CERT_WORK_H

#include "ca/ca.h"
#include "cert/cert_job.h"
#include "cert/set_jobs.h"
#include "cert/set_owner.h"
#include "cert/wall_timer.h"
#include "config/config.h"
#include "http/http_loop.h"
#include "install/publish.h"
#include "plan/urgency.h"
#include "prove/prove.h"
#include "reload/reload_batch.h"

/* Why a published set is rewritten, in words that follow "because". */
#define CA_ANNOUNCING                                                                              \
    "the CA has a new issuer, which peers must trust before its first certificate is published"

/* Why a certificate is replaced, likewise. */
#define CA_REVOKED "the CA has revoked the published certificate"

/* The outages of the CA; for cert/outage. */
struct outage {
    unsigned number; /* of the last outage, from 1 on */
    size_t waiting;  /* how many certificates it has delayed */
    struct told_many told;
};

/* What all certificates share; borrowed. */
enum { ENDS_RESERVED = 16 };

struct cert_tools {
    sd_event *loop;
    struct slot *ends[ENDS_RESERVED]; /* reserve for stages that fail when memory has run out */
    struct workers *workers;
    struct workers *lookups; /* for looking up consumers' hosts, so that a hanging name server does
                                not delay keys */
    struct mounts mounts;    /* to find which directories are on one disk */
    struct set_gate reads;   /* limits how many sets are read at once */
    struct watches *watches; /* of the sets' directories; NULL: no inotify, only checks */
    struct http_loop *http;  /* for consumers; the CA has another one, so that a hanging consumer
                                does not delay it */
    struct ca *ca;
    struct ca_cache *cache;
    struct reload_batches batches;
    struct handshakes handshakes;
    struct outage outage;
    bool by_name; /* the command named these certificates */
    bool stays;   /* a daemon: honours the waits of an earlier process, and notices marks */
};

/* The published generation. */
struct cert_published {
    bool usable; /* it is intact and has not ended */
    char generation[GENERATION_NAME_BYTES];
    char serial[SERIAL_TEXT_BYTES], fingerprint[DIGEST_HEX_BYTES];
    char authority_key[KEY_IDENTIFIER_BYTES];
    struct validity validity;
    uint64_t end_s; /* the earliest notAfter on its path */
    uint64_t issued_s, due_s;
};

/* Why the published certificate is replaced before its normal renewal; {0}: it is not. */
struct early_renewal {
    uint64_t due_s;
    const char *reason; /* a static text */
    bool other_issuer;
};

/* The checks of the published files; for daemons. */
struct cert_look {
    struct wall_timer timer;
    struct slot *slot;            /* the check under way */
    struct cert_job *job;         /* its job; borrowed */
    char print[DIGEST_HEX_BYTES]; /* installed_print of the intact set; "": not known */
    uint64_t ended_us;            /* when the last check ended, on the boot clock */
    unsigned in_a_row;            /* checks with a cause in a row */
    bool has_cause;               /* the next check has a cause: something has changed */
    bool had_cause;               /* the check under way has a cause */
    bool told;                    /* the damage was reported, or suppressed because it repeats */
    bool swapped; /* leafd itself has changed names since the last check, which does not count as a
                     cause */
    int watch;    /* of struct watches; 0: none */
    struct slot *watching;       /* sets the watch and reads the mark */
    struct watch_job *watch_job; /* its job; borrowed */
    bool watch_again;
};

/* What was reported of a certificate, so that it is not repeated at every try; for cert_log. */
struct cert_told {
    struct told_failure issuing, consumer;
    uint32_t wanted, awaited, served, reloaded; /* urgency_reason of the last report; 0: none */
    unsigned outage;                            /* the last outage in which it waited */
    uint64_t end_s;          /* the end of the set that `urgency` and `timer` are for */
    enum urgency urgency;    /* the last report about the end: URGENCY_LOW (none), URGENCY_TENTH or
                                URGENCY_OVER */
    struct wall_timer timer; /* rings when the set is about to end, and when it has ended */
};

/* The mark that the machines have acted on; {0}: none. */
struct cert_mark {
    char generation[GENERATION_NAME_BYTES];
    enum revocation revocation;
};

/* What cert_directory can find. */
enum cert_found {
    FOUND_DAMAGED,  /* the published files were changed: work->reason says how */
    FOUND_REVOKED,  /* the published generation was marked as revoked */
    FOUND_WITHDRAWN /* likewise, and is not to be replaced */
};

struct cert_work {
    struct cert_tools *tools;
    struct config *config; /* a reference; `cert` points into it */
    const struct cert_config *cert;
    struct set_claim *claim; /* NULL: this process has no claim on the set */
    struct set_owner set;

    struct ca_interest interest; /* the subscription to news of the CA */
    struct slot *listing;        /* the check of a CRL, beside the machines */
    struct cert_job *list_job;   /* its job; borrowed */
    struct slot *saving;         /* the state being saved, beside the machines */
    bool save_again;

    struct cert_draft *draft; /* of issuance; owned by a job while that runs */
    struct cert_published published;
    struct cert_state state;
    char previous[GENERATION_NAME_BYTES]; /* kept for its readers and for a rollback; "": none */
    const struct evidence *evidence;      /* of the proof that has ended, while it is reported */
    struct prove_seen seen;               /* the result of the last check of the consumer */
    sd_event_source *removal;             /* for cert_directory */
    struct cert_look look;                /* for cert_directory */
    bool read_once;
    uint64_t bundle_read_s; /* of [trust]: when the CA's issuers were read last; 0: not by this
                               process, or not for this section */
    bool in_time;           /* the certificate in the making is a normal renewal */
    bool told_lease;        /* reported that certificates are leased with the token */
    bool told_short_hold;   /* reported that a new issuer cannot be announced in time */
    bool told_list;         /* reported that a CRL could not be verified */
    struct early_renewal early_renewal;
    struct cert_mark heeded;
    struct cert_told told;
    char asked_with[DIGEST_HEX_BYTES]; /* ca_turn_stamp of this try; "": the CA was not asked yet */
    /* Digests of the last advice; 0: none. */
    struct told_ends {
        uint32_t cut, near, other; /* what ends, and how soon */
    } told_ends;
    uint32_t told_subject;  /* how the subject differs */
    uint32_t told_left_out; /* of [trust]: which issuer is left out */
    char *reason;           /* why a certificate is needed, for the log; owned; NULL: no reason */

    /* Called when cert_directory has found something. */
    void (*found)(struct cert_work *work, enum cert_found found);
};

/*
 * cert_work_open - initialises the work; fails with class local
 *
 * Takes a reference of `config`, and subscribes to news of the CA.
 */
bool cert_work_open(struct cert_work *work, struct cert_tools *tools, struct config *config,
                    const struct cert_config *cert, struct err *err);

/*
 * cert_work_note_end - starts to save that the process ends in order, if issuance waits for a retry
 *
 * The next process then tries at once. cert_work_close waits for it. A caller that ends many
 * certificates calls this for all of them first, so that the writes run in parallel.
 */
void cert_work_note_end(struct cert_work *work);

/* cert_work_place - the place of its set, for set_jobs */
struct set_place cert_work_place(const struct cert_work *work);

/* cert_work_close_set - gives up the claim on the set */
void cert_work_close_set(struct cert_work *work);

/* cert_work_close - releases everything; both machines have ended before */
void cert_work_close(struct cert_work *work);

/*
 * cert_work_abandon - removes all but the published generation, if `config` does not use the
 * directory
 *
 * Other generations hold keys that nobody else would remove. Runs after jobs that are under way.
 * Call it before cert_work_close.
 */
void cert_work_abandon(struct cert_work *work, const struct config *config);

/* cert_work_adopt - continues with a section of another configuration, but not during a switch of
 * names; returns whether the directory is another one, whose content is not known yet */
bool cert_work_adopt(struct cert_work *work, struct config *config, const struct cert_config *cert);

/* cert_work_drop_draft - frees the draft, and removes its staged generation */
void cert_work_drop_draft(struct cert_work *work);

/* cert_work_forget_held - removes the held generation, unless it is published by now */
void cert_work_forget_held(struct cert_work *work);

/* cert_work_leave_held - detaches a held generation from the draft, so that it stays on disk for
 * the next read */
void cert_work_leave_held(struct cert_work *work);

/*
 * cert_work_remove - starts to remove a generation, unless it may be the published one; "": none
 *
 * A generation that is remembered as staged or previous may be published: rename(2) may have
 * succeeded although it reported a failure.
 */
void cert_work_remove(struct cert_work *work, const char *generation);

/* cert_work_holds - whether the draft is a held generation, which stays on disk for a later
 * process */
bool cert_work_holds(const struct cert_work *work);

/* cert_work_heed - stores that the machines have acted on this mark of the published generation */
void cert_work_heed(struct cert_work *work, enum revocation revocation);

/*
 * cert_work_tell_mark - calls work->found for a mark of the published generation
 *
 * Ignores a mark that was acted on: every check finds it again, and it must not end the wait after
 * a failure each time.
 */
void cert_work_tell_mark(struct cert_work *work, enum revocation revocation);

/* cert_work_save - starts to save the state; a failure goes to the debug log */
void cert_work_save(struct cert_work *work);

/* cert_work_give_reason - stores why a certificate is needed, for the log */
void cert_work_give_reason(struct cert_work *work, const char *reason);

/* cert_work_forget_early_renewal - returns to the normal renewal time */
void cert_work_forget_early_renewal(struct cert_work *work);

/* cert_work_note_published - stores what is published, and when it is due */
void cert_work_note_published(struct cert_work *work, const char *generation,
                              const struct certificate_facts *leaf, uint64_t end_s,
                              uint64_t issued_s);

/* cert_work_life_s - the requested lifetime, else that of the published certificate, in seconds; 0:
 * not known */
uint64_t cert_work_life_s(const struct cert_work *work);

/* cert_work_spread_s - the seconds over which the renewals after a change of the CA are spread */
uint64_t cert_work_spread_s(const struct cert_work *work);

/* cert_work_knows_issuer - whether the CA named that issuer before, and it has not signed for us */
bool cert_work_knows_issuer(const struct cert_work *work, const char *key);

/* cert_work_remember_issuer - adds such an issuer; "": none */
void cert_work_remember_issuer(struct cert_work *work, const char *key);

/* cert_work_note_issued - updates the known issuers before another certificate is stored as
 * published */
void cert_work_note_issued(struct cert_work *work, const struct certificate_facts *leaf);

/* cert_work_lasts - whether the published certificate is intact and valid now */
bool cert_work_lasts(const struct cert_work *work);

/* cert_work_begins_later - whether the published certificate is not valid yet: the clock is
 * wrong */
bool cert_work_begins_later(const struct cert_work *work);

/*
 * cert_work_note_failure - stores and saves a failure of issuance; returns the milliseconds until
 * the next try
 *
 * After a veto of the validate command the wait is that of class refused, because every try costs a
 * certificate.
 */
uint64_t cert_work_note_failure(struct cert_work *work, const struct err *err);

/*
 * cert_work_note_refused - the same for a certificate that the consumer refused
 *
 * The next try is at the earliest when half of the published certificate's remaining lifetime is
 * over.
 */
uint64_t cert_work_note_refused(struct cert_work *work, const struct err *err);

/*
 * cert_work_left_wait_s - until when the wait of an earlier process lasts; 0: it has ended
 *
 * Call it once, at the first read: it counts and saves this start.
 */
uint64_t cert_work_left_wait_s(struct cert_work *work);

/* cert_work_is_refused - whether issuance waits because the consumer refused a certificate */
bool cert_work_is_refused(const struct cert_work *work);

/* cert_work_resume_ms - the rest of the saved wait; 0: it has ended */
uint64_t cert_work_resume_ms(const struct cert_work *work);

/* cert_work_patience_ms - the longest time that a login that failed for others may delay a try */
uint64_t cert_work_patience_ms(const struct cert_work *work);

/* cert_work_back_ms - the longest wait that is left now that the CA answers again: backoff_back_ms;
 * UINT64_MAX, which changes nothing, if nothing was published yet */
uint64_t cert_work_back_ms(const struct cert_work *work);

/* cert_work_shorter_wait_ms - the longest wait that is left now that the clock was set; jittered */
uint64_t cert_work_shorter_wait_ms(const struct cert_work *work);

/*
 * cert_work_blames_clock - whether the wrong clock may have caused the last failure
 *
 * True if a certificate was not trusted, or if the published one is not valid.
 */
bool cert_work_blames_clock(const struct cert_work *work);

/* cert_work_note_sooner - moves the next try to within seconds, saves that, and returns the
 * milliseconds until then */
uint64_t cert_work_note_sooner(struct cert_work *work);

/* cert_work_note_refusal - stores and saves a failure of deployment; returns the milliseconds until
 * the next try */
uint64_t cert_work_note_refusal(struct cert_work *work, const struct err *err);

#endif
