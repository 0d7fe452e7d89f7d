/*
 * prove - verifies that a consumer serves the published certificate
 *
 * A successful reload does not prove that the new certificate is in use: nginx keeps the old one
 * after a failed reload, and old workers stay for a while after a good one. So leafd samples the
 * consumer several times: by a TLS handshake, by a command of the operator, or at its admin
 * interface. With tls and http the proof needs three samples in a row that show the leaf; a bad
 * sample resets the count and is followed by a growing pause. A command decides with one run, since
 * it can repeat its checks itself. With tls the chain that is served must lead to the CAs that
 * peers trust; the other methods check only the leaf.
 */
#ifndef LEAFD_PROVE_PROVE_H
#define LEAFD_PROVE_PROVE_H

#include "base/slot.h"
#include "base/worker.h"
#include "config/config.h"
#include "http/http_loop.h"
#include "prove/tls_probe.h"

#include <stdint.h>

/* What the consumer must serve. */
struct prove_request {
    const char *fingerprint;      /* of the leaf, as certificate_facts has it */
    const char *serial;           /* likewise */
    const char *const *variables; /* for exec, as in child_order */
    struct text_list
        trusted; /* PEM: for tls, the CAs that peers trust; empty: no chain is verified */
    struct text_list chain; /* PEM: the intermediates that should be served after the leaf */
    uint64_t limit_s; /* time in which new samples start; 0: the first bad one ends the proof */
    struct evidence *ret_evidence; /* with tls: of the last sample; lives as long as the slot */
};

enum prove_finding {
    PROVE_NOT_LOOKED,  /* no sample yet, or a failure of leafd itself */
    PROVE_SERVED,      /* the leaf */
    PROVE_OTHER_LEAF,  /* another leaf, or a reply that does not name ours */
    PROVE_NOT_MUTUAL,  /* the leaf, but it accepts peers that it should refuse (prove/mutual) */
    PROVE_BAD_CHAIN,   /* the leaf, with a chain that does not lead to a CA that peers trust */
    PROVE_NO_TLS,      /* a server answers, but TLS fails */
    PROVE_UNREACHABLE, /* no connection, or no valid reply */
    PROVE_SAYS_NO      /* the command failed */
};

/* The result of the last samples. */
struct prove_seen {
    enum prove_finding finding;
    struct served_leaf leaf; /* with tls: of the last sample that showed a leaf, ours or another */
    bool ours;               /* that leaf is the expected one */
    bool chain_verified;     /* with tls: its chain led to one of prove_request.trusted */
};

/*
 * All borrowed. `lookups` resolve names and may be blocked by name servers, so they are not the
 * workers that make keys and write files.
 */
struct prove_tools {
    sd_event *loop;
    struct workers *lookups, *workers;
    struct http_loop *http; /* the loop for consumers, not the CA's */
    struct handshakes *handshakes;
};

/*
 * prove_start - takes samples until the leaf is proven or the time limit is reached
 *
 * Borrows `cert`, whose prove.method is not PROVE_NONE, until it has ended, and `tools` and
 * `request` with all it points to during the call; takes a reference of `config`, which owns
 * `cert`. *ret_seen belongs to the caller and is set when on_done runs. Fails with class consumer,
 * whose text names the target and the certificate that is served instead, or with class local if
 * memory ran out. NULL with *err filled if it could not start.
 */
struct slot *prove_start(const struct prove_tools *tools, struct config *config,
                         const struct cert_config *cert, const struct prove_request *request,
                         struct prove_seen *ret_seen, slot_done *on_done, void *arg,
                         struct err *err);

/*
 * reply_names - whether an admin interface's reply has the serial number or the fingerprint at the
 * path
 *
 * `json_path` is valid. Fails with class consumer if the reply does not have it, or is no JSON.
 */
bool reply_names(const struct bytes *reply, const char *json_path, const char *serial,
                 const char *fingerprint, struct err *err);

#endif
