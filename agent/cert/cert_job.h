/*
 * cert_job - the work on one certificate that would block the event loop; it runs on workers
 *
 * It is disk access, keys and signatures. A job owns all that it uses: a reference of the
 * configuration, a share of the claim on the set, and the draft. It opens the set's directory when
 * it runs, so that a set at rest takes no descriptor. When the job has ended, its owner takes the
 * draft back; if its slot was dropped, the job frees it.
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

/* A certificate in the making, from the key to the staged generation. */
struct cert_draft {
    EVP_PKEY *key;
    struct bytes csr;
    struct ca_signed reply;
    struct issued issued;
    char generation[GENERATION_NAME_BYTES]; /* "" before it is staged */
    bool key_is_published; /* job_stage reads the key from disk, so that it need not stay in memory
                            */
    bool is_of_unknown_issuer; /* peers may not trust its CA yet */
};

struct cert_job {
    struct config *config;
    const struct cert_config *cert;
    struct set_claim *claim;  /* NULL until job_read_disk has claimed the set */
    int set_fd;               /* the set's directory, while the job runs; else -1 */
    struct cert_draft *draft; /* NULL if the job needs none */

    struct installed installed; /* result of job_read_disk */
    struct cert_state state;    /* result of job_read_disk; input of job_save */
    enum revocation revocation; /* result of job_read_disk, job_look and job_publish: the mark of
                                   the published generation */
    char held[GENERATION_NAME_BYTES]; /* input of job_read_disk: the held generation, if it is known
                                         in memory; of job_recover: one that is held until peers
                                         trust its CA; "": none */
    char published[GENERATION_NAME_BYTES]; /* input of job_read_disk and job_look: the published
                                              generation, if it is known */
    char print[DIGEST_HEX_BYTES]; /* input or result of job_look, job_read_disk and job_publish:
                                     installed_print; "": not known */
    char damage[256];   /* result of job_look and job_read_disk: what was changed by others; of
                           job_make_key: why the published key is not used; "": nothing */
    bool found_foreign; /* result of job_read_disk: `damage` names files of other users */
    bool is_kept;       /* result of job_read_disk: it failed because another agent has the set */
    bool is_seen; /* result of job_read_disk: it failed, but `installed` and `state` are what can be
                     read */
    bool is_exposed;                        /* result of job_look: other users may read the key */
    bool rehearse;                          /* input of job_make_key: test the disk first */
    bool keep_key;                          /* input of job_make_key: use the published key */
    char current_serial[SERIAL_TEXT_BYTES]; /* input of job_vet and job_publish: serial number of
                                               the published leaf; "": none */
    struct ca_cache *cache;                 /* input of job_vet; outlives the workers */
    char previous[GENERATION_NAME_BYTES]; /* result of job_publish and job_roll_back: the generation
                                             that was published before; of job_read_disk: the one
                                             that is kept for a rollback */
    struct identity identity;             /* result of job_read_identity */
    bool is_unchanged;   /* result of job_vet for [trust]: what is published is what the CA says */
    bool guards_peers;   /* input of job_vet: check whether peers trust the issuer */
    bool is_unannounced; /* result of job_read_disk: the published trust bundle lacks the CA of the
                            held generation */
    struct crl_shared *list;        /* input of job_read_list: a share of a CRL */
    char serial[SERIAL_TEXT_BYTES]; /* input of job_read_list; result: "" if the number is not on
                                       the list */
    char rollback_to[GENERATION_NAME_BYTES]; /* input of job_roll_back */
    char removed[GENERATION_NAME_BYTES];     /* input of job_remove */
    struct err link_failure; /* result of job_read_disk and job_publish: why a link was not made */
};

/* cert_draft_new - an empty draft; NULL if memory ran out */
struct cert_draft *cert_draft_new(void);

/* cert_draft_free - wipes and frees a draft; NULL is fine */
void cert_draft_free(struct cert_draft *draft);

/*
 * cert_job_new - creates a job for this certificate
 *
 * Takes the draft, also on failure. Takes a share of the claim, which may be NULL, and a reference
 * of the configuration. NULL with *err filled (class local).
 */
struct cert_job *cert_job_new(struct config *config, const struct cert_config *cert,
                              struct set_claim *claim, struct cert_draft *draft, struct err *err);

/* cert_job_open - opens the set's directory for the job; fails with class local */
bool cert_job_open(struct cert_job *job, struct err *err);

/*
 * cert_job_leave - closes the set's directory and gives up the share of the claim; gives `done`
 *
 * The last step of a job, on the worker: a job may wait for the loop, and the last drop of a claim
 * may wait for the disk.
 */
bool cert_job_leave(struct cert_job *job, bool done);

/* cert_job_free - frees a job; a worker_free */
void cert_job_free(void *arg);

/* The functions for workers; each takes a struct cert_job. They fail with the class of the module
 * that fails. */

/* job_read_disk - claims the set, removes leftovers, repairs names and links, and reads the
 * published generation; a held one that is still useful goes to the draft */
worker_run job_read_disk;

/* job_look - checks the published set; reads files only if their attributes have changed; changes
 * nothing */
worker_run job_look;

/* job_vet - checks the CA's reply and makes the issued set from it */
worker_run job_vet;

/* job_recover - makes the issued set from the published files, with the CA of a held generation in
 * its trust bundle */
worker_run job_recover;

/* job_stage - writes the draft's generation */
worker_run job_stage;

/* job_publish - publishes the draft's generation */
worker_run job_publish;

/* job_read_record - reads the record of the published generation, for a proof */
worker_run job_read_record;

/* job_read_identity - reads the certificate, the chain and, if the leaf permits clientAuth, the
 * key */
worker_run job_read_identity;

/* job_roll_back - publishes an earlier generation again, if it is intact, valid and not revoked */
worker_run job_roll_back;

/* job_remove - removes a generation, unless it may be the published one */
worker_run job_remove;

/* job_read_list - whether a serial number is on a CRL that the issuer of the published certificate
 * has signed */
worker_run job_read_list;

/* job_save - writes the state */
worker_run job_save;

#endif
