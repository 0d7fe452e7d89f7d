#include "cert/flow_state.h"

static const char *const state_names[FLOW_STATE_COUNT] = {
    [FLOW_READING] = "reading",
    [FLOW_WAITING] = "waiting",
    [FLOW_QUEUED] = "queued",
    [FLOW_LOGGING_IN] = "logging-in",
    [FLOW_MAKING_KEY] = "making-key",
    [FLOW_SIGNING] = "signing",
    [FLOW_LOGGING_IN_AGAIN] = "logging-in-again",
    [FLOW_VETTING] = "vetting",
    [FLOW_HOLDING] = "holding",
    [FLOW_QUEUED_TO_RESTAGE] = "queued-to-restage",
    [FLOW_RECOVERING] = "recovering",
    [FLOW_STAGING] = "staging",
    [FLOW_VALIDATING] = "validating",
    [FLOW_PUBLISHING] = "publishing",
    [FLOW_RELOADING] = "reloading",
    [FLOW_PROVING] = "proving",
    [FLOW_LOOKING] = "looking",
    [FLOW_CHECKING] = "checking",
    [FLOW_ROLLING_BACK] = "rolling-back",
    [FLOW_RELOADING_BACK] = "reloading-back",
    [FLOW_PROVING_BACK] = "proving-back",
    [FLOW_ROLLING_FORWARD] = "rolling-forward",
    [FLOW_BACKING_OFF] = "backing-off",
    [FLOW_WITHDRAWN] = "withdrawn",
    [FLOW_RELOAD_BACKING_OFF] = "reload-backing-off",
};

const char *flow_state_name(enum flow_state state)
{
    return state < FLOW_STATE_COUNT ? state_names[state] : "unknown";
}
