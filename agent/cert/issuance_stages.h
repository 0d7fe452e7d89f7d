/*
 * issuance_stages - what issuance does in each of its states: starts it, and says how it ended
 *
 * Each function starts its stage and returns; the stage ends once, in a later iteration of the
 * loop, by issuance->end. None of them decides what comes next.
 */
#ifndef LEAFD_CERT_ISSUANCE_STAGES_H
#define LEAFD_CERT_ISSUANCE_STAGES_H

#include "cert/cert_work.h"
#include "cert/wall_timer.h"

enum issuance_state {
    ISSUANCE_READING,
    ISSUANCE_IDLE, /* until it is due */
    ISSUANCE_QUEUED,
    ISSUANCE_MAKING_KEY,
    ISSUANCE_SIGNING,
    ISSUANCE_VETTING,
    ISSUANCE_QUEUED_TO_RESTAGE,
    ISSUANCE_RECOVERING,
    ISSUANCE_STAGING,
    ISSUANCE_HOLDING, /* until notBefore */
    ISSUANCE_VALIDATING,
    ISSUANCE_PUBLISHING,
    ISSUANCE_BACKING_OFF,
    ISSUANCE_WITHDRAWN, /* revoked, and not to be replaced */
    ISSUANCE_STATE_COUNT
};

enum issuance_event {
    /* how a stage ended */
    ISSUANCE_ON_DONE,
    ISSUANCE_ON_FAILED,         /* err says why */
    ISSUANCE_ON_REPAIRED,       /* published during a wait, which goes on */
    ISSUANCE_ON_UNREPAIRED,     /* it failed during a wait, likewise */
    ISSUANCE_ON_EARLY,          /* it is staged, but its certificate begins in the future */
    ISSUANCE_ON_UNKNOWN_ISSUER, /* it is staged, but of an issuer that peers may not trust yet */
    /* what the disk told */
    ISSUANCE_ON_FRESH,      /* what is there is as it should be */
    ISSUANCE_ON_WANTED,     /* a new certificate is wanted */
    ISSUANCE_ON_LATER,      /* one is wanted, but it failed a moment ago */
    ISSUANCE_ON_HELD,       /* one is wanted, and there already, staged and held: its time comes */
    ISSUANCE_ON_HELD_READY, /* the same, and its time has come */
    ISSUANCE_ON_RESTAGE,    /* the set is sound, but its files must be written anew */
    /* what the clocks told */
    ISSUANCE_ON_DUE,        /* the moment has come that was waited for */
    ISSUANCE_ON_OVERDUE,    /* the same, but what was held is of no use any more */
    ISSUANCE_ON_RECONSIDER, /* what is on disk may be of use, or may have changed */
    ISSUANCE_ON_RETRY,      /* the wait after a failure is over */
    /* what others told */
    ISSUANCE_ON_RESCHEDULED, /* it is due at another moment */
    ISSUANCE_ON_CHANGED,     /* the section is another one */
    ISSUANCE_ON_DAMAGED,     /* the files of what is published are not as they were written */
    ISSUANCE_ON_RUINED,      /* the same of a certificate that is of no use any more */
    ISSUANCE_ON_REVOKED,     /* what is published is marked as revoked */
    ISSUANCE_ON_WITHDRAW,    /* the same, and is not to be replaced */
    ISSUANCE_ON_REFUSED, /* what was published was refused, and the set before is in place: err */
    ISSUANCE_EVENT_COUNT
};

struct issuance;

/* Why something is in place. */
enum in_place {
    IN_PLACE_PUBLISHED, /* it was published a moment ago */
    IN_PLACE_FRESH,     /* it was found there, and is as it should be */
    IN_PLACE_FOR_NOW    /* it is what there is */
};

/* Who hears of issuance. */
struct issuance_listener {
    /* The work's published generation is in place. */
    void (*in_place)(struct cert_work *work, enum in_place how);
    void (*withdrawn)(struct cert_work *work); /* nothing is to be done with it any more */
    void (*stepped)(struct cert_work *work);   /* a transition is complete */
};

struct issuance {
    struct cert_work *work;
    const struct issuance_listener *listener;
    enum issuance_state state;
    unsigned taking;       /* events that are being taken */
    const struct err *err; /* of the event that is being taken */
    struct slot *slot;     /* the stage under way */
    struct cert_job *job;  /* of that stage, if a worker does it; borrowed */
    struct slot *turn;     /* of the CA: the permit */
    struct config *config; /* that the CA is asked with; NULL: it is not asked */
    struct wall_timer timer;
    uint64_t next_try_us; /* of the boot clock: the CA is not asked before, though files are
                             written; 0: it is not waited for */
    char repaired[GENERATION_NAME_BYTES]; /* made so, for which once is enough; "" none */
    bool repairable; /* the files of what is published are not as they should be, and can be written
                        anew without the CA */
    bool repairs_next; /* an action's word: they are to be, during the wait that has begun */
    bool tried;        /* it has come to rest once */

    /* Where a stage's end goes. */
    void (*end)(struct issuance *issuance, enum issuance_event event, const struct err *err);
};

/* issuance_cancel - ends the stage under way without an event */
void issuance_cancel(struct issuance *issuance);

/* issuance_release - gives up turn and draft, with what is staged of it */
void issuance_release(struct issuance *issuance);

/* stage_read - FRESH, WANTED, LATER, HELD with the held set in the draft, WITHDRAW, RESTAGE or
 * FAILED */
void stage_read(struct issuance *issuance);

/* stage_queue - DONE with an empty draft when it is this certificate's turn at the CA, or FAILED */
void stage_queue(struct issuance *issuance);

/* stage_queue_to_restage - the same without a session: the CA is not asked */
void stage_queue_to_restage(struct issuance *issuance);

/* stage_make_key - DONE with key and CSR in the draft, or FAILED */
void stage_make_key(struct issuance *issuance);

/* stage_sign - DONE with the CA's reply in the draft, or FAILED */
void stage_sign(struct issuance *issuance);

/* stage_vet - DONE with an issued set in the draft, or FAILED */
void stage_vet(struct issuance *issuance);

/* stage_recover - DONE with the published set in the draft, or FAILED */
void stage_recover(struct issuance *issuance);

/* stage_stage - DONE with a generation on disk, EARLY if its time has not come, UNKNOWN_ISSUER if
 * others are to trust its CA first, or FAILED */
void stage_stage(struct issuance *issuance);

/* stage_validate - DONE if the operator's command is content, or FAILED */
void stage_validate(struct issuance *issuance);

/* stage_publish - DONE when the set is visible and durable, or FAILED */
void stage_publish(struct issuance *issuance);

#endif
