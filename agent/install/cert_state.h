/*
 * cert_state - what must outlive a restart beside the generation itself
 *
 * "..state" in the set's directory: how often issuing has failed in a row and when to try again, so
 * that a crash loop does not hammer the CA; the same for the deployment to the consumer; which
 * generation is staged and waits for its time; what was seen of the CA; and what the consumer has
 * done with the generations, so that a crash between publish, reload and proof loses none of them.
 * Missing or damaged, it says nothing: no failures, nothing reloaded.
 */
#ifndef LEAFD_INSTALL_CERT_STATE_H
#define LEAFD_INSTALL_CERT_STATE_H

#include "base/err.h"
#include "install/generation.h"
#include "install/record.h"
#include "pki/certificate.h"

extern const char cert_state_name[];

/* What one machine of a certificate fails at, and when it tries again. */
struct trouble {
    unsigned failures;       /* in a row; 0: none */
    uint64_t failed_at_s;    /* the last one */
    uint64_t try_again_at_s; /* wall clock */
    struct err *failure;     /* the last one: kind and text; owned; NULL: none */
};

enum { KNOWN_LEAVES_MOST = 8, CA_KNOWN_MOST = 4 };

/* The leaf that the last finished look at the consumer showed. */
struct served_state {
    char serial[SERIAL_TEXT_BYTES]; /* "" if none was seen */
    uint64_t not_after_s, seen_s;
    bool foreign;        /* a leaf that this set never held */
    bool chain_verified; /* the chain that came with it led to what peers trust */
};

/* What the consumer is known to have done; generations by name, "" for none. */
struct consumer_state {
    char accepted[GENERATION_NAME_BYTES]; /* the last one that it took: proven, or reloaded where
                                             nothing is to be proven */
    char reloaded[GENERATION_NAME_BYTES]; /* it was told of this one */
    char proven[GENERATION_NAME_BYTES];   /* it was seen to serve this one */
    char refused[GENERATION_NAME_BYTES];  /* rolled back from this one */
    struct trouble trouble;               /* to tell it, or to see it serve */
    unsigned refusals;                    /* those among its failures in which it refused */
    bool missing;                         /* it was not there: no such process, nobody listens */
    bool insists; /* no rollback any more: the previous generation was refused as well */
    struct served_state served;
    /* The first sixteen digits of the fingerprints of the leaves that were published here, the last
     * one first; 0: none. */
    uint64_t known[KNOWN_LEAVES_MOST];
};

/* What was seen of the CA, and followed from it. */
struct ca_state {
    /* Issuers that the CA named and that have not signed for us, the last one first; owned; NULL:
     * none, or forgotten for want of memory. Whoever was named when ours was issued is among them,
     * or is who signed it, if there is a baseline. */
    char *known[CA_KNOWN_MOST];
    bool has_baseline;
    uint64_t early_at_s; /* a certificate was asked for early, since there was another issuer */
    char *revoked; /* serial of the certificate that was found revoked last; owned; NULL none */
    unsigned revoked_count; /* certificates that were found revoked, in a row */
    uint64_t revoked_at_s;  /* when the last of them was found */
    uint64_t replace_at_s;  /* when it is to be replaced */
    uint64_t held_until_s;  /* "held" waits for others to trust its CA; 0: for its notBefore */
};

/* How the processes before this one came and went. */
struct restart_state {
    bool in_order;                     /* the last one ended because it was told to */
    unsigned count;                    /* starts in a row, since: */
    uint64_t since_s;                  /* the first of them */
    char asked_with[DIGEST_HEX_BYTES]; /* ca_turn_stamp of the last failure; "" not known */
};

struct cert_state {
    struct trouble issuing;
    char held[GENERATION_NAME_BYTES]; /* staged, and not yet to be shown; "" none */
    /* record_request_mark of what the consumer refused last; "" not known */
    char refused_request[REQUEST_MARK_BYTES];
    struct ca_state ca;
    struct consumer_state consumer;
    struct restart_state restart;
};

/* trouble_set - notes the failure, whatever the others were; without memory its text is lost */
void trouble_set(struct trouble *trouble, const struct err *err);

/* trouble_clear - there is none any more */
void trouble_clear(struct trouble *trouble);

/* trouble_err - the last failure; class none if there was none; never NULL */
const struct err *trouble_err(const struct trouble *trouble);

/* trouble_of - what is to be shown of a certificate: the CA's failure, or else the consumer's */
const struct trouble *trouble_of(const struct cert_state *state);

/* ca_state_forget_issuers - none is known any more */
void ca_state_forget_issuers(struct ca_state *ca);

/* ca_state_note_revoked - that certificate was found revoked last */
void ca_state_note_revoked(struct ca_state *ca, const char *serial);

/* fingerprint_begin - the number of the first sixteen digits of a fingerprint; 0 if they are none
 */
uint64_t fingerprint_begin(const char *fingerprint);

/* cert_state_copy - fills *to, which is empty, with a copy that is free of *from */
void cert_state_copy(struct cert_state *to, const struct cert_state *from);

/* cert_state_free - gives back what a state holds, and empties it */
void cert_state_free(struct cert_state *state);

/*
 * cert_state_read - reads the state into *ret_state, to be freed; {0} if there is none that is of
 * use
 *
 * One that others may write says nothing (set_file). One of the first edition kept a single failure
 * for CA and consumer: it is the one's that had counted it.
 *
 * False if there is one that this user may not read: it is for root and the set's owner alone,
 * since it repeats what the CA, consumers and commands have said.
 */
bool cert_state_read(int set_fd, struct cert_state *ret_state);

/* cert_state_hide - takes the right to read it from others, which the first agents left to them */
void cert_state_hide(int set_fd);

/* cert_state_write - replaces the state, durably; blocks on the disk; fails with class local */
bool cert_state_write(int set_fd, const struct cert_state *state, struct err *err);

#endif
