/*
 * cert_work - one certificate at work: what its two machines share
 *
 * Its section, the set on disk with its one owner, and the state that is kept there. Which step
 * comes next is decided by issuance and deployment alone, by one table each.
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

/* Why a published set is written anew, in words that follow "because". */
#define CA_ANNOUNCING                                                                              \
    "the CA has a new issuer, which is to be trusted before its first certificate is shown"

/* Why one is replaced, in the same way. */
#define CA_REVOKED "the CA has revoked the published certificate"

/* A time in which the CA gave no certificates; cert_log counts. */
struct outage {
    unsigned number; /* of the last one, from 1 on */
    size_t waiting;  /* certificates that could not be had in it */
};

/* What all certificates share; borrowed, and the same for all of them. */
enum { ENDS_RESERVED = 16 };

struct cert_tools {
    sd_event *loop;
    struct slot *ends[ENDS_RESERVED]; /* for stages that fail at once for want of memory */
    struct workers *workers;
    struct workers
        *lookups;          /* for names of consumers' hosts: name servers that hang stall no key */
    struct mounts mounts;  /* which directories are on one disk */
    struct set_gate reads; /* of sets, to find out what is there */
    struct watches *watches; /* of the sets' directories; NULL: none, they are looked at only */
    struct http_loop *http;  /* for consumers: one that hangs must not keep the CA waiting */
    struct ca *ca;
    struct ca_cache *cache;
    struct reload_batches batches;
    struct handshakes handshakes;
    struct outage outage;
    bool by_name; /* somebody asks for just these certificates */
    bool stays;   /* a daemon: waits of an earlier process count, and marks of others are noticed */
};

/* What is published, as far as the loop needs to know. */
struct cert_published {
    bool usable; /* there is a sound generation that has not ended */
    char generation[GENERATION_NAME_BYTES];
    char serial[SERIAL_TEXT_BYTES], fingerprint[DIGEST_HEX_BYTES];
    char authority_key[KEY_IDENTIFIER_BYTES];
    struct validity validity;
    uint64_t end_s; /* when it stops being of use: the earliest notAfter on its path */
    uint64_t issued_s, due_s;
};

/* Why the published certificate is to be replaced before its own time; {0} if it is not. */
struct early_renewal {
    uint64_t due_s;
    const char *reason; /* static */
    bool other_issuer;
};

/* The looks at the files of what is published, beside the machines; for daemons. */
struct cert_look {
    struct wall_timer timer;
    struct slot *slot;            /* the look under way */
    struct cert_job *job;         /* of it; borrowed */
    char print[DIGEST_HEX_BYTES]; /* how the files looked when they were whole; "" not known */
    uint64_t ended_us;            /* the last one, on the boot clock */
    unsigned in_a_row;            /* looks that had a cause, one after the other */
    bool has_cause; /* something changed, or was found changed: the next look is for that */
    bool had_cause; /* the one under way was */
    bool told;      /* what is damaged by now was told by a look, or as often before as is told */
    bool swapped;   /* leafd itself changed names since the last one: it counts for nobody */
    int watch;      /* of struct watches; 0: the directory is not watched */
    struct slot *watching;       /* the watch being set, or the mark being read */
    struct watch_job *watch_job; /* of it; borrowed */
    bool watch_again;
};

/* What was told of a certificate already, so that it is not told at every try; cert_log's. */
struct cert_told {
    struct told_failure issuing, consumer;
    uint32_t wanted, awaited, served, reloaded; /* urgency_reason of what was told; 0: nothing */
    unsigned outage;                            /* the last one in which it waited */
    uint64_t end_s;          /* of the set that `urgency` and `timer` are about */
    enum urgency urgency;    /* told of its end: none, a tenth or over */
    struct wall_timer timer; /* rings when it is about to end, and when it has */
};

/* The mark of revocation that the work already goes by; {0}: none. */
struct cert_mark {
    char generation[GENERATION_NAME_BYTES];
    enum revocation revocation;
};

/* What is found on disk beside what the machines do, for both of them. */
enum cert_found {
    FOUND_DAMAGED,  /* the files of what is published are not as they were written: work->reason */
    FOUND_REVOKED,  /* somebody marked the published generation as revoked */
    FOUND_WITHDRAWN /* the same, and it is not to be replaced */
};

struct cert_work {
    struct cert_tools *tools;
    struct config *config; /* a reference of its own; `cert` points into it */
    const struct cert_config *cert;
    struct set_claim *claim; /* that this process keeps the set; NULL: it does not */
    struct set_owner set;

    struct ca_interest interest; /* in news of the CA */
    struct slot *listing;        /* a revocation list being read, beside the machines */
    struct cert_job *list_job;   /* that reads it; borrowed */
    struct slot *saving;         /* the state being written, likewise */
    bool save_again;

    struct cert_draft *draft; /* issuance's: from key to publish; a worker's job has it meanwhile */
    struct cert_published published;
    struct cert_state state;
    char previous[GENERATION_NAME_BYTES]; /* kept for its readers, and to go back to; "" none */
    struct prove_seen seen;               /* by the last look at what the consumer serves */
    sd_event_source *removal;             /* of cert_directory */
    struct cert_look look;                /* the same */
    bool read_once;
    bool in_time;         /* the certificate in the making is a renewal that nothing hastens */
    bool told_lease;      /* that the CA leases the certificates with the token */
    bool told_short_hold; /* that a new issuer cannot be made known in time */
    bool told_list;       /* that a revocation list could not be believed */
    struct early_renewal early_renewal;
    struct cert_mark heeded;
    struct cert_told told;
    char asked_with[DIGEST_HEX_BYTES]; /* ca_turn_stamp of this try; "" not begun */
    /* Of the last certificate, told already, as a digest; 0: nothing was to be told. */
    struct told_ends {
        uint32_t cut, near, other; /* what ends, and how soon */
    } told_ends;
    uint32_t told_subject; /* what was odd about it */
    char *reason;          /* why a certificate is wanted, for the log; owned; NULL: no reason */

    /* Where what is found on disk goes. */
    void (*found)(struct cert_work *work, enum cert_found found);
};

/* cert_work_open - makes the work ready, as `tools->ca` knows it; fails with class local. Takes a
 * reference of `config` */
bool cert_work_open(struct cert_work *work, struct cert_tools *tools, struct config *config,
                    const struct cert_config *cert, struct err *err);

/*
 * cert_work_note_end - starts to note on disk that the process ends in order while it waits
 *
 * For the next process, which asks at once then. cert_work_close waits for it; whoever ends many
 * notes it for all of them first, so that the disk sees them together.
 */
void cert_work_note_end(struct cert_work *work);

/* cert_work_place - where its set is, for set_jobs */
struct set_place cert_work_place(const struct cert_work *work);

/* cert_work_close_set - gives up the set */
void cert_work_close_set(struct cert_work *work);

/* cert_work_close - releases everything; nothing of the machines is under way any more */
void cert_work_close(struct cert_work *work);

/*
 * cert_work_abandon - leaves only what is published in a directory that `config` has no use for
 *
 * The generation before and what is staged or held hold keys that nobody would remove any more. A
 * job under way is left to end first. Goes before cert_work_close.
 */
void cert_work_abandon(struct cert_work *work, const struct config *config);

/* cert_work_adopt - goes on with the section of another configuration; not while what is published
 * is being changed. Tells whether the set lies elsewhere now, of which nothing is known yet */
bool cert_work_adopt(struct cert_work *work, struct config *config, const struct cert_config *cert);

/* cert_work_drop_draft - gives up the draft, with what is staged of it */
void cert_work_drop_draft(struct cert_work *work);

/* cert_work_forget_held - removes what is held, key included, unless it is published by now */
void cert_work_forget_held(struct cert_work *work);

/* cert_work_leave_held - gives up the draft that is held, and leaves its generation on disk for the
 * next look at it */
void cert_work_leave_held(struct cert_work *work);

/*
 * cert_work_remove - has a generation removed with its files, unless it may be the published one
 *
 * What is remembered as staged or previous may be in place: a rename can have happened although it
 * was reported as failed. "" is none. It is done off the loop, and has the set to itself.
 */
void cert_work_remove(struct cert_work *work, const char *generation);

/* cert_work_holds - whether the draft is one that is held: it stays on disk for a later process */
bool cert_work_holds(const struct cert_work *work);

/* cert_work_heed - the work goes by this mark of what is published from now on */
void cert_work_heed(struct cert_work *work, enum revocation revocation);

/*
 * cert_work_tell_mark - tells of a mark of what is published
 *
 * Nothing for a mark that the work goes by already: it is found at every look, and must not end the
 * wait after a failure each time.
 */
void cert_work_tell_mark(struct cert_work *work, enum revocation revocation);

/* cert_work_save - writes the state to disk, beside all else; failures are for the debug log */
void cert_work_save(struct cert_work *work);

/* cert_work_give_reason - notes why a certificate is wanted, for the log */
void cert_work_give_reason(struct cert_work *work, const char *reason);

/* cert_work_forget_early_renewal - the renewal is due when it is due again */
void cert_work_forget_early_renewal(struct cert_work *work);

/* cert_work_note_published - notes what is published now, and when it is due */
void cert_work_note_published(struct cert_work *work, const char *generation,
                              const struct certificate_facts *leaf, uint64_t end_s,
                              uint64_t issued_s);

/* cert_work_life_s - the life that is asked for, or that of what is published; 0: not known */
uint64_t cert_work_life_s(const struct cert_work *work);

/* cert_work_spread_s - over how long certificates of a new CA come */
uint64_t cert_work_spread_s(const struct cert_work *work);

/* cert_work_knows_issuer - whether the CA named that issuer before, which has not signed for us */
bool cert_work_knows_issuer(const struct cert_work *work, const char *key);

/* cert_work_remember_issuer - it is such a one from now on; "" is none */
void cert_work_remember_issuer(struct cert_work *work, const char *key);

/* cert_work_note_issued - another certificate is about to be noted as published: keeps who signed
 * the one before, and whom the CA named meanwhile */
void cert_work_note_issued(struct cert_work *work, const struct certificate_facts *leaf);

/* cert_work_lasts - whether what is published is sound, has begun and has not ended */
bool cert_work_lasts(const struct cert_work *work);

/* cert_work_begins_later - whether what is published has not begun yet: the clock is wrong */
bool cert_work_begins_later(const struct cert_work *work);

/*
 * cert_work_note_failure - counts a failure to issue, puts it into the state and saves it
 *
 * Gives the milliseconds until the next try. After a veto it is the pace of what a person must
 * repair, since every try costs a certificate.
 */
uint64_t cert_work_note_failure(struct cert_work *work, const struct err *err);

/*
 * cert_work_note_refused - the same for a certificate that the consumer refused
 *
 * Another one is asked for when half of what is left of the one in place is over.
 */
uint64_t cert_work_note_refused(struct cert_work *work, const struct err *err);

/*
 * cert_work_left_wait_s - until when an earlier process wanted the CA left alone; 0: not any more
 *
 * To be asked once, at the first look at the disk: it counts this start, and saves that.
 */
uint64_t cert_work_left_wait_s(struct cert_work *work);

/* cert_work_is_refused - whether the CA is left alone since the consumer refused what it signed */
bool cert_work_is_refused(const struct cert_work *work);

/* cert_work_resume_ms - what is left of the persisted wait for the CA; 0: nothing */
uint64_t cert_work_resume_ms(const struct cert_work *work);

/* cert_work_patience_ms - the longest that a login that failed for others may put off a try */
uint64_t cert_work_patience_ms(const struct cert_work *work);

/* cert_work_back_ms - the longest that a wait may still be, now that the CA answers again;
 * UINT64_MAX: as long as it is. backoff_back_ms of what was published; a first certificate keeps
 * its wait */
uint64_t cert_work_back_ms(const struct cert_work *work);

/* cert_work_shorter_wait_ms - the longest that a wait under way may still be, now that the clock
 * was set; jittered */
uint64_t cert_work_shorter_wait_ms(const struct cert_work *work);

/*
 * cert_work_blames_clock - whether the last failure may look otherwise now that the clock was set
 *
 * A certificate that was not believed, the CA's own or ours, or none in place that is valid.
 */
bool cert_work_blames_clock(const struct cert_work *work);

/* cert_work_note_sooner - puts a next try within seconds into the state, saves it, and gives the
 * milliseconds until then */
uint64_t cert_work_note_sooner(struct cert_work *work);

/* cert_work_note_refusal - counts a failure to make the consumer take what is published, likewise
 */
uint64_t cert_work_note_refusal(struct cert_work *work, const struct err *err);

#endif
