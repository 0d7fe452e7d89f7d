/*
 * cert_job - the work on one certificate that would stall the loop, to be run by a worker
 *
 * Disk, keys and signatures. A job takes along all it touches: its own reference of the
 * configuration, its own share of the claim on the set, the draft. It opens the directory when it
 * runs, so that a set at rest takes no descriptor. Whoever started it
 * gets the draft back when it has ended; if nobody waits any more, the job frees it.
 */
#ifndef LEAFD_CERT_CERT_JOB_H
#define LEAFD_CERT_CERT_JOB_H

#include "base/bytes.h"
#include "base/worker.h"
#include "ca/ca.h"
#include "config/config.h"
#include "install/cert_state.h"
#include "install/installed.h"
#include "install/publish.h"
#include "install/set_claim.h"
#include "pki/served.h"

/* A certificate in the making: from the key to the staged generation. */
struct cert_draft {
    EVP_PKEY *key;
    struct bytes csr;
    struct ca_signed reply;
    struct issued issued;
    char generation[GENERATION_NAME_BYTES]; /* staged; "" before */
    bool key_is_published;     /* and read by job_stage, so that no key waits in memory */
    bool is_of_unknown_issuer; /* peers may not trust it yet */
};

struct cert_job {
    struct config *config;
    const struct cert_config *cert;
    struct set_claim *claim;  /* of the set; NULL until job_read_disk has it */
    int set_fd;               /* the set's directory, open while the job runs; -1 before */
    struct cert_draft *draft; /* NULL where the job needs none */

    struct installed installed; /* of job_read_disk */
    struct cert_state state;    /* of job_read_disk; for job_save */
    enum revocation revocation; /* of job_read_disk, job_look and job_publish: what the mark says of
                                   what is published */
    char held[GENERATION_NAME_BYTES]; /* for job_read_disk: the generation that is held, where that
                                         is known better than from the disk, and for job_recover
                                         if it waits for others to trust its CA; "" it is not */
    char published[GENERATION_NAME_BYTES]; /* for job_read_disk and job_look: what is known to be
                                              published; "" not known */
    char print[DIGEST_HEX_BYTES]; /* for and of job_look, of job_read_disk and job_publish: how the
                                     files look when they are whole; "" not known */
    char damage[256]; /* of job_look, and names and what others left for job_read_disk: not as left;
                         of job_make_key: why the published key is not used again; "" nothing */
    bool found_foreign; /* by job_read_disk: damage tells what others left */
    bool is_kept;       /* of job_read_disk: it failed since another agent works there */
    bool is_seen;       /* of job_read_disk: it failed, but `installed` and `state` tell what can be
                           seen of the directory */
    bool is_exposed;    /* by job_look: the key may be read by others */
    bool rehearse;      /* for job_make_key: try the disk before the CA is asked */
    bool keep_key;      /* for job_make_key: use the published key again */
    char current_serial[SERIAL_TEXT_BYTES]; /* for job_vet and job_publish: what is published;
                                               "" for none */
    struct ca_cache *cache;                 /* for job_vet; outlives the workers */
    char previous[GENERATION_NAME_BYTES];   /* of job_publish and job_roll_back: what was published
                                               before; of job_read_disk: what is kept besides */
    struct identity identity;               /* of job_read_identity */
    bool guards_peers;   /* for job_vet: an issuer that peers may not trust yet is told */
    bool is_unannounced; /* of job_read_disk: what is held hangs on a CA that the published set does
                            not tell others to trust */
    struct crl_shared *list;        /* for job_read_list: a share of a revocation list */
    char serial[SERIAL_TEXT_BYTES]; /* for job_read_list; "" when it is not revoked, afterwards */
    char rollback_to[GENERATION_NAME_BYTES]; /* for job_roll_back */
    char removed[GENERATION_NAME_BYTES];     /* for job_remove */
    struct err
        link_failure; /* of job_read_disk and job_publish: why a link elsewhere is not made */
};

/* cert_draft_new - an empty draft; NULL if memory ran out */
struct cert_draft *cert_draft_new(void);

/* cert_draft_free - wipes a draft; NULL is fine */
void cert_draft_free(struct cert_draft *draft);

/*
 * cert_job_new - a job for this certificate; takes the draft, also when it fails
 *
 * Shares the claim; NULL is none. NULL with *err filled, class local.
 */
struct cert_job *cert_job_new(struct config *config, const struct cert_config *cert,
                              struct set_claim *claim, struct cert_draft *draft, struct err *err);

/* cert_job_free - a worker_free */
void cert_job_free(void *arg);

/* What a worker runs; each takes a struct cert_job. Failures have the class of the room they are
 * of. */

/* job_read_disk - opens and locks the directory, sweeps, heals the links, reads what is published
 * and, into a draft, what is held and still as the section wants it */
worker_run job_read_disk;

/* job_look - holds what is published against what was written: by how it looks, and by content only
 * if that has changed; changes nothing */
worker_run job_look;

/* job_make_key - the key, new or the published one, and the CSR; nothing where the CA makes the key
 */
worker_run job_make_key;

/* job_vet - holds the CA's reply against the request and makes the issued set of it */
worker_run job_vet;

/* job_recover - the issued set again from what is published, to stage it with other files, and with
 * the CA of what is held in its trust bundle */
worker_run job_recover;

/* job_stage - writes the generation */
worker_run job_stage;

/* job_publish - switches the visible names to the staged generation */
worker_run job_publish;

/* job_read_record - reads the record of what is published, for the proof */
worker_run job_read_record;

/* job_read_identity - reads what a client shows: certificate, chain and, where the usage permits
 * clientAuth, the key */
worker_run job_read_identity;

/* job_roll_back - makes an earlier generation the published one again, if it is whole and valid */
worker_run job_roll_back;

/* job_remove - removes a generation with its files, unless it may be the published one */
worker_run job_remove;

/* job_read_list - whether a serial number is on a revocation list that the issuer of the published
 * certificate has signed */
worker_run job_read_list;

/* job_save - writes the state */
worker_run job_save;

#endif
