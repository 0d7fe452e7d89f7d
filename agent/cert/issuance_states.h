/*
 * issuance_states - the states and events of issuance, which its files share
 */
#ifndef LEAFD_CERT_ISSUANCE_STATES_H
#define LEAFD_CERT_ISSUANCE_STATES_H

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
    ISSUANCE_ON_UNMET,          /* likewise, of a try that only an operator wanted: not repeated */
    ISSUANCE_ON_REPAIRED,       /* published during a wait for the CA, which continues */
    ISSUANCE_ON_UNREPAIRED,     /* failed during a wait for the CA, which continues */
    ISSUANCE_ON_EARLY,          /* staged, but not valid yet */
    ISSUANCE_ON_UNCHANGED,      /* the CA's issuers are those that are published */
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
    ISSUANCE_ON_ASKED,       /* an operator asks for a new certificate now */
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
    bool repairable;    /* the published files are damaged and can be rewritten without the CA */
    bool repairs_next;  /* set by an action: repair them during the wait that has begun */
    bool restages;      /* what is on its way are the files of the published certificate */
    bool tried;         /* it has come to rest once */
    bool asked;         /* an operator asked for a new certificate, and the result is not known */
    bool asked_by_name; /* likewise, also if the certificate was withdrawn */
    bool is_optional;   /* the certificate in place is as it should be: a failed try is not repeated
                         */
    const struct err *unmet; /* while `stepped` is called: why such a try has failed; else NULL */
    unsigned issued;         /* certificates that this process has published; of a [trust] section
                                answers of the CA */

    /* Called when a stage has ended. */
    void (*end)(struct issuance *issuance, enum issuance_event event, const struct err *err);
};

#endif
