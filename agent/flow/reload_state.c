#include "flow/reload_state.h"

#include <string.h>

static const char *const state_names[RELOAD_STATE_COUNT] = {
    [RELOAD_STATE_NONE] = "none",         [RELOAD_STATE_PENDING] = "pending",
    [RELOAD_STATE_RELOADED] = "reloaded", [RELOAD_STATE_PROVEN] = "proven",
    [RELOAD_STATE_FAILED] = "failed",
};

const char *reload_state_name(enum reload_state state)
{
    return state < RELOAD_STATE_COUNT ? state_names[state] : "unknown";
}

static bool tells(const struct cert_config *cert)
{
    return cert->reloads.items[0].verb != RELOAD_NONE;
}

static bool proves(const struct cert_config *cert)
{
    return cert->prove.method != PROVE_NONE;
}

bool reload_state_is_told(const struct consumer_state *consumer, const struct cert_config *cert,
                          const char *generation)
{
    return !tells(cert) || strcmp(consumer->reloaded, generation) == 0;
}

bool reload_state_is_settled(const struct consumer_state *consumer, const struct cert_config *cert,
                             const char *generation)
{
    return reload_state_is_told(consumer, cert, generation) &&
           (!proves(cert) || strcmp(consumer->proven, generation) == 0);
}

enum reload_state reload_state_of(const struct consumer_state *consumer,
                                  const struct cert_config *cert, const char *generation)
{
    if (!tells(cert) && !proves(cert))
        return RELOAD_STATE_NONE;
    if (reload_state_is_settled(consumer, cert, generation))
        return proves(cert) ? RELOAD_STATE_PROVEN : RELOAD_STATE_RELOADED;
    if (consumer->failures > 0)
        return RELOAD_STATE_FAILED;
    return tells(cert) && reload_state_is_told(consumer, cert, generation) ? RELOAD_STATE_RELOADED
                                                                           : RELOAD_STATE_PENDING;
}

bool consumer_is_awaited(const struct consumer_state *consumer)
{
    return consumer->failures > 0 && consumer->missing && consumer->accepted[0] == '\0';
}

bool rollback_is_due(const struct consumer_state *consumer, const struct cert_config *cert,
                     const char *generation, const char *previous)
{
    return cert->rollback && !consumer->insists && consumer->refusals >= REFUSALS_ENOUGH &&
           strcmp(consumer->accepted, generation) != 0 && previous[0] != '\0' &&
           strcmp(consumer->accepted, previous) == 0;
}
