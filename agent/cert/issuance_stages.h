/*
 * issuance_stages - the stages of issuance: what runs in each state
 *
 * Each function starts a stage. The stage ends once, in a later iteration of the loop, by a call of
 * issuance->end with the event. No stage decides what comes next.
 */
#ifndef LEAFD_CERT_ISSUANCE_STAGES_H
#define LEAFD_CERT_ISSUANCE_STAGES_H

#include "cert/cert_work.h"
#include "cert/wall_timer.h"

enum issuance_state {
    ISSUANCE_READING,
    ISSUANCE_IDLE, /* until the renewal is due */
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
    /* results of stages */
    ISSUANCE_ON_DONE,
    ISSUANCE_ON_FAILED,         /* err says why */
    ISSUANCE_ON_REPAIRED,       /* published during a wait for the CA, which continues */
    ISSUANCE_ON_UNREPAIRED,     /* failed during a wait for the CA, which continues */
    ISSUANCE_ON_EARLY,          /* staged, but not valid yet */
    ISSUANCE_ON_UNKNOWN_ISSUER, /* staged, but peers may not trust its issuer yet */
    /* results of a read */
    ISSUANCE_ON_FRESH,      /* the set is as it should be */
    ISSUANCE_ON_WANTED,     /* a new certificate is needed */
    ISSUANCE_ON_LATER,      /* likewise, but a wait after a failure is in force */
    ISSUANCE_ON_HELD,       /* likewise, and a generation is held until its notBefore */
    ISSUANCE_ON_HELD_READY, /* likewise, and the time has come */
    ISSUANCE_ON_RESTAGE,    /* the files must be rewritten */
    /* times */
    ISSUANCE_ON_DUE,        /* the renewal is due, or the hold has ended */
    ISSUANCE_ON_OVERDUE,    /* the hold has ended, but the generation is not useful any more */
    ISSUANCE_ON_RECONSIDER, /* the disk may have changed, or a held generation may be useful */
    ISSUANCE_ON_RETRY,      /* the wait after a failure is over */
    /* from outside */
    ISSUANCE_ON_RESCHEDULED, /* the renewal was moved */
    ISSUANCE_ON_CHANGED,     /* the section has changed */
    ISSUANCE_ON_DAMAGED,     /* the published files were changed */
    ISSUANCE_ON_RUINED,      /* likewise, of a certificate that is not valid */
    ISSUANCE_ON_REVOKED,     /* the published generation is marked as revoked */
    ISSUANCE_ON_WITHDRAW,    /* likewise, and is not to be replaced */
    ISSUANCE_ON_REFUSED,     /* the consumer refused a generation, and the previous one is published
                                again: err */
    ISSUANCE_EVENT_COUNT
};

struct issuance;

/* How a generation became the published one. */
enum in_place {
    IN_PLACE_PUBLISHED, /* it was published now */
    IN_PLACE_FRESH,     /* it was found, and is as it should be */
    IN_PLACE_FOR_NOW    /* it was found, and a new one is needed */
};

/* Callbacks of issuance. */
struct issuance_listener {
    /* work->published is the published generation. */
    void (*in_place)(struct cert_work *work, enum in_place how);
    void (*withdrawn)(struct cert_work *work); /* stop all work on it */
    void (*stepped)(struct cert_work *work);   /* a transition is complete */
};

struct issuance {
    struct cert_work *work;
    const struct issuance_listener *listener;
    enum issuance_state state;
    unsigned taking;       /* depth of nested transitions */
    const struct err *err; /* of the current event */
    struct slot *slot;     /* the stage under way */
    struct cert_job *job;  /* its job, if it has one; borrowed */
    struct slot *turn;     /* at the CA; holds the permit */
    struct config *config; /* of the request under way; NULL: none */
    struct wall_timer timer;
    uint64_t next_try_us; /* on the boot clock: the end of a wait for the CA that continues while
                             files are rewritten; 0: none */
    char repaired[GENERATION_NAME_BYTES]; /* the repaired generation, which is not repaired again;
                                             "": none */
    bool repairable;   /* the published files are damaged and can be rewritten without the CA */
    bool repairs_next; /* set by an action: repair them during the wait that has begun */
    bool tried;        /* it has come to rest once */

    /* Called when a stage has ended. */
    void (*end)(struct issuance *issuance, enum issuance_event event, const struct err *err);
};

/* issuance_cancel - drops the stage under way, without an event */
void issuance_cancel(struct issuance *issuance);

/* issuance_release - gives up the turn, and frees the draft with its staged generation */
void issuance_release(struct issuance *issuance);

/* stage_read - reads the set: FRESH, WANTED, LATER, HELD (the generation is in the draft),
 * WITHDRAW, RESTAGE or FAILED */
void stage_read(struct issuance *issuance);

/* stage_queue - waits for a turn: DONE with an empty draft, or FAILED */
void stage_queue(struct issuance *issuance);

/* stage_queue_to_restage - the same without a session, for work without the CA */
void stage_queue_to_restage(struct issuance *issuance);

/* stage_make_key - DONE with key and CSR in the draft, or FAILED */
void stage_make_key(struct issuance *issuance);

/* stage_sign - DONE with the CA's reply in the draft, or FAILED */
void stage_sign(struct issuance *issuance);

/* stage_vet - DONE with the issued set in the draft, or FAILED */
void stage_vet(struct issuance *issuance);

/* stage_recover - DONE with the published set in the draft, or FAILED */
void stage_recover(struct issuance *issuance);

/* stage_stage - writes the generation: DONE, EARLY, UNKNOWN_ISSUER or FAILED */
void stage_stage(struct issuance *issuance);

/* stage_validate - DONE if the validate command accepts it or there is none, or FAILED */
void stage_validate(struct issuance *issuance);

/* stage_publish - DONE when the generation is published and synced, or FAILED */
void stage_publish(struct issuance *issuance);

#endif
