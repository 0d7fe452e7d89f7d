/*
 * cert_state - the state of a certificate that must survive a restart
 *
 * It is the file "..state" in the set's directory. For issuance and for deployment it holds the
 * number of failures in a row and the time of the next try, so that a crash loop does not overload
 * the CA. It also holds the name of a held generation, what was learned of the CA, and what the
 * consumer did with each generation, so that a restart between publish, reload and proof resumes
 * there. A missing or damaged file is read as an empty state: no failures, nothing reloaded. All
 * times are seconds since 1970.
 */
#ifndef LEAFD_INSTALL_CERT_STATE_H
#define LEAFD_INSTALL_CERT_STATE_H

#include "base/err.h"
#include "install/generation.h"
#include "install/record.h"
#include "pki/certificate.h"

extern const char cert_state_name[];

/* The failures of one machine, and its next try. */
struct trouble {
    unsigned failures;       /* in a row; 0: none */
    uint64_t since_s;        /* the first of them */
    uint64_t failed_at_s;    /* the last failure */
    uint64_t try_again_at_s; /* the next try */
    struct err *failure;     /* the last failure, kind and text only; owned; NULL: none */
};

enum { KNOWN_LEAVES_MOST = 8, CA_KNOWN_MOST = 4 };

/* The leaf that the last finished check of the consumer showed. */
struct served_state {
    char serial[SERIAL_TEXT_BYTES]; /* "": none was seen */
    uint64_t not_after_s, seen_s;
    bool foreign;        /* this set never held the leaf */
    bool chain_verified; /* the served chain led to a certificate that peers trust */
};

/* What the consumer did; generations by name, "" for none. */
struct consumer_state {
    char accepted[GENERATION_NAME_BYTES]; /* the last one that it accepted: it was proven, or
                                             reloaded if the section asks for no proof */
    char reloaded[GENERATION_NAME_BYTES]; /* the reload for this one succeeded */
    char proven[GENERATION_NAME_BYTES];   /* the consumer was seen to serve this one */
    char refused[GENERATION_NAME_BYTES];  /* was rolled back */
    struct trouble trouble;               /* failures to reload it, or to see it serve the leaf */
    unsigned refusals;                    /* how many of the failures were refusals */
    bool missing;                         /* it was not there: no such process, or no listener */
    bool insists; /* no further rollback: it refused the previous generation as well */
    struct served_state served;
    /* The first 16 hex digits of the fingerprints of leaves that were published here, as a number;
     * the latest first; 0: none. */
    uint64_t known[KNOWN_LEAVES_MOST];
};

/* What was learned of the CA. */
struct ca_state {
    /* The keys of issuers that the CA named and that did not sign for us, the latest first; owned;
     * NULL: none, or dropped because memory ran out. If has_baseline, the issuer that was named
     * when our leaf was issued is among them, or signed it. */
    char *known[CA_KNOWN_MOST];
    bool has_baseline;
    uint64_t early_at_s; /* when a certificate was requested early because of a new issuer */
    char *revoked; /* serial number of the last certificate that was found revoked; owned; NULL:
                      none */
    unsigned revoked_count; /* how many were found revoked in a row */
    uint64_t revoked_at_s;  /* when the last one was found */
    uint64_t replace_at_s;  /* when it is to be replaced */
    uint64_t held_until_s; /* until then "held" waits for peers to trust its CA; 0: it waits for its
                              notBefore */
};

/* The previous starts and ends of the process. */
struct restart_state {
    bool in_order;                     /* the previous process ended by a signal */
    unsigned count;                    /* starts in a row */
    uint64_t since_s;                  /* the first of them */
    char asked_with[DIGEST_HEX_BYTES]; /* ca_turn_stamp at the last failure; "": not known */
};

struct cert_state {
    struct trouble issuing;
    char held[GENERATION_NAME_BYTES]; /* staged and not published yet; "": none */
    /* record_request_mark of the request whose certificate the consumer refused last; "": not
     * known */
    char refused_request[REQUEST_MARK_BYTES];
    struct ca_state ca;
    struct consumer_state consumer;
    struct restart_state restart;
};

/* trouble_set - copies the failure and replaces the previous one; if memory runs out, its text is
 * lost */
void trouble_set(struct trouble *trouble, const struct err *err);

/* trouble_clear - clears all fields */
void trouble_clear(struct trouble *trouble);

/* trouble_err - the last failure; class none if there was none; never NULL */
const struct err *trouble_err(const struct trouble *trouble);

/* trouble_of - the failure to show for a certificate: that of issuance, else that of deployment */
const struct trouble *trouble_of(const struct cert_state *state);

/* ca_state_forget_issuers - clears the known issuers */
void ca_state_forget_issuers(struct ca_state *ca);

/* ca_state_note_revoked - stores the serial number of a revoked certificate */
void ca_state_note_revoked(struct ca_state *ca, const char *serial);

/* fingerprint_begin - the first 16 hex digits of a fingerprint as a number; 0 if they are not
 * hex */
uint64_t fingerprint_begin(const char *fingerprint);

/* cert_state_copy - fills the empty *to with a deep copy of *from */
void cert_state_copy(struct cert_state *to, const struct cert_state *from);

/* cert_state_free - frees the contents, and leaves {0} */
void cert_state_free(struct cert_state *state);

/*
 * cert_state_read - reads the state of the set into *ret_state; the caller ends it with
 * cert_state_free
 *
 * Gives {0} if the file is missing or damaged, or if other users may write it (set_file_read). The
 * single failure of a first-edition file goes to the machine that had counted it.
 *
 * False if this user may not read the file: only root and the set's owner may, because it repeats
 * texts of the CA, of consumers and of commands. Blocks on the disk.
 */
bool cert_state_read(int set_fd, struct cert_state *ret_state);

/* cert_state_hide - sets the file's mode to 0600, which the first releases did not */
void cert_state_hide(int set_fd);

/* cert_state_write - replaces the file in one synced rename; blocks on the disk; fails with class
 * local */
bool cert_state_write(int set_fd, const struct cert_state *state, struct err *err);

#endif
