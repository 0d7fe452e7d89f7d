/*
 * errands - what operators asked of the running agent for several certificates, and how it ended
 *
 * An errand is a renewal, a retry or a revocation of some certificates. Each certificate has one
 * outcome, which the command that asked collects. Errands go on when nobody collects; their
 * outcomes are kept for a while and then forgotten. Errands for the same certificate share one
 * issuance: all of them get its result.
 */
#ifndef LEAFD_APP_ERRANDS_H
#define LEAFD_APP_ERRANDS_H

#include "app/engine.h"

#include <jansson.h>

enum {
    ERRANDS_MOST = 8,
    ERRAND_KEPT_S = 120,       /* after the last call of errands_tell */
    ERRAND_OUTCOMES_MOST = 100 /* in one reply */
};

enum errand_kind { ERRAND_RENEW, ERRAND_RETRY, ERRAND_REVOKE };

/* What is asked for. */
struct errand_order {
    enum errand_kind kind;
    const json_t *names; /* an array of texts; NULL: all certificates */
    bool withdraws;      /* of ERRAND_REVOKE: without a replacement */
};

struct errands;

/* Called when there may be new outcomes. */
typedef void errands_changed(void *arg);

/* errands_open - no errands yet; borrows all arguments; fails with class local */
bool errands_open(struct engine *engine, errands_changed *on_changed, void *arg,
                  struct errands **ret_errands, struct err *err);

/*
 * errands_add - begins an errand; returns its number, 0 with *err filled if it cannot
 *
 * *ret_count is the number of its certificates; a name that is given twice counts once. Fails with
 * class config if a name is not one of the configuration's, and with class local if there are too
 * many errands, or memory ran out.
 */
uint64_t errands_add(struct errands *errands, const struct errand_order *order, size_t *ret_count,
                     struct err *err);

/* errands_note - something about the certificate may have changed */
void errands_note(struct errands *errands, const struct cert *cert);

/*
 * errands_tell - the state of an errand, from outcome number `from` on
 *
 * {"count": certificates, "settled": outcomes, "outcomes": [...]}, and if there are none, "waiting"
 * has a few of the certificates that are still under way, and what they do. Earlier outcomes are
 * forgotten. A new reference; NULL if there is no such errand, or memory ran out.
 */
json_t *errands_tell(struct errands *errands, uint64_t number, size_t from);

/* errands_has - whether errands_tell has an outcome to give, or nothing to wait for */
bool errands_has(const struct errands *errands, uint64_t number, size_t from);

/* errands_close - forgets all errands; what the certificates do goes on. NULL is fine */
void errands_close(struct errands *errands);

#endif
