/*
 * flow_state - where a certificate stands on its way
 */
#ifndef LEAFD_CERT_FLOW_STATE_H
#define LEAFD_CERT_FLOW_STATE_H

enum flow_state {
    FLOW_READING,
    FLOW_WAITING, /* until it is due */
    FLOW_QUEUED,
    FLOW_LOGGING_IN,
    FLOW_MAKING_KEY,
    FLOW_SIGNING,
    FLOW_LOGGING_IN_AGAIN, /* after a 403 */
    FLOW_VETTING,
    FLOW_HOLDING, /* until notBefore */
    FLOW_QUEUED_TO_RESTAGE,
    FLOW_RECOVERING,
    FLOW_STAGING,
    FLOW_VALIDATING,
    FLOW_PUBLISHING,
    FLOW_RELOADING,
    FLOW_PROVING,
    FLOW_LOOKING,  /* who serves what, after a reload that found nobody */
    FLOW_CHECKING, /* what a proven consumer serves by now */
    FLOW_ROLLING_BACK,
    FLOW_RELOADING_BACK,
    FLOW_PROVING_BACK,
    FLOW_ROLLING_FORWARD,    /* the previous generation was refused as well */
    FLOW_BACKING_OFF,        /* issuing failed */
    FLOW_WITHDRAWN,          /* revoked, and not to be replaced */
    FLOW_RELOAD_BACKING_OFF, /* reload or proof failed */
    FLOW_STATE_COUNT
};

/* flow_state_name - the state for people: "waiting", "signing"; never NULL */
const char *flow_state_name(enum flow_state state);

#endif
