/*
 * prove - holds what a consumer serves against what was published
 *
 * A reload that was accepted is no proof that the new certificate is used: nginx goes on with the
 * old one after a reload that failed, and old workers linger after one that went well. So the
 * consumer is asked, several times: by a TLS handshake, by a command of the operator's, or at its
 * admin interface. By tls and http it is proven when three samples in a row show the leaf; a bad
 * one starts the count anew and is followed by a growing pause. A command is believed at once: it
 * knows best how often to look. By tls the chain that comes with the leaf must lead to what peers
 * trust; the others show the leaf alone.
 */
#ifndef LEAFD_PROVE_PROVE_H
#define LEAFD_PROVE_PROVE_H

#include "base/slot.h"
#include "base/worker.h"
#include "config/config.h"
#include "http/http_loop.h"
#include "prove/tls_probe.h"

#include <stdint.h>

/* What the consumer is to serve. */
struct prove_request {
    const char *fingerprint;      /* of the leaf, as certificate_facts has it */
    const char *serial;           /* likewise */
    const char *const *variables; /* for exec, as in child_order */
    struct text_list trusted;     /* PEM: for tls, what peers trust; empty: no chain is verified */
    struct text_list chain;       /* PEM: what should be served behind the leaf */
    uint64_t limit_s; /* new samples are begun until then; 0: the first bad one ends it */
};

enum prove_finding {
    PROVE_NOT_LOOKED,  /* nothing yet, or leafd itself could not look */
    PROVE_SERVED,      /* the leaf */
    PROVE_OTHER_LEAF,  /* another one, or a reply that does not name it */
    PROVE_NOT_MUTUAL,  /* the leaf, to peers that should be refused (prove/mutual) */
    PROVE_BAD_CHAIN,   /* the leaf, with a chain that does not lead to what peers trust */
    PROVE_NO_TLS,      /* nothing: somebody is there, and TLS fails */
    PROVE_UNREACHABLE, /* nothing: no connection, no good reply */
    PROVE_SAYS_NO      /* the command failed */
};

/* What the last samples showed. */
struct prove_seen {
    enum prove_finding finding;
    struct served_leaf leaf; /* by tls: of the last sample that showed one, ours or another */
    bool ours;               /* that leaf is the one that was to be served */
    bool chain_verified;     /* by tls: the chain with it led to one of prove_request.trusted */
};

/*
 * All borrowed. `lookups` find addresses, which takes as long as the name servers like: not the
 * workers that make keys and write files.
 */
struct prove_tools {
    sd_event *loop;
    struct workers *lookups, *workers;
    struct http_loop *http; /* the one for consumers, not the CA's */
    struct handshakes *handshakes;
};

/*
 * prove_start - asks until it is proven or the limit is reached
 *
 * Borrows `cert`, whose prove.method is not PROVE_NONE, until it has ended, and `tools` and
 * `request` with all it points to during the call; takes a reference of `config`, which owns
 * `cert`. *ret_seen belongs to the caller and is set when on_done runs. Failures are class
 * consumer, the text says what was asked where and what is served instead; class local if memory
 * ran out. NULL with *err filled if it could not start.
 */
struct slot *prove_start(const struct prove_tools *tools, struct config *config,
                         const struct cert_config *cert, const struct prove_request *request,
                         struct prove_seen *ret_seen, slot_done *on_done, void *arg,
                         struct err *err);

/*
 * reply_names - whether an admin interface's reply has the serial number or the fingerprint at the
 * path
 *
 * `json_path` is a valid one. Fails with class consumer if it has not, or if the reply is no JSON.
 */
bool reply_names(const struct bytes *reply, const char *json_path, const char *serial,
                 const char *fingerprint, struct err *err);

#endif
