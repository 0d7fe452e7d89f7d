#include "policies.h"

#include "base/digest.h"
#include "plan/backoff.h"
#include "plan/renewal.h"

#include <stdio.h>

enum { CLOCK_S = 1800000000 }; /* the wall clock when a world begins */

/* -- leafd: as cert/cert_work.c does it ----------------------------------------------------------
 */

static uint32_t spread_of(const struct world *world, const struct agent *agent)
{
    char name[24], serial[24];
    const char *const texts[] = {name, serial, NULL};

    snprintf(name, sizeof name, "agent-%u", (unsigned)(agent - world->agents));
    snprintf(serial, sizeof serial, "%08x", agent->serial * 2654435761U);
    return digest_spread(texts);
}

static uint64_t leafd_due_s(struct world *world, const struct agent *agent)
{
    static const struct renewal_rule by_default = {0};
    const struct validity life = {CLOCK_S + (uint64_t)agent->not_before_s,
                                  CLOCK_S + (uint64_t)agent->not_after_s};

    return renewal_due_s(&life, CLOCK_S + (uint64_t)agent->issued_s, &by_default,
                         spread_of(world, agent)) -
           CLOCK_S;
}

static uint64_t leafd_wait_ms(struct world *world, struct agent *agent, uint64_t now_ms)
{
    uint64_t now_s = now_ms / 1000;
    const struct backoff_state state = {
        .failures = agent->failures,
        .lifetime_s = world->life_s,
        .remaining_s =
            agent->serial > 0 && now_s < agent->not_after_s ? agent->not_after_s - now_s : 0,
        .retry_after_s = agent->retry_after_s,
        .just_booted = now_s < BACKOFF_BOOTING_S,
    };

    return backoff_wait_ms(ERR_TRANSIENT, &state, world_chance(world));
}

/* -- Vault Agent and consul-template: pkiCert
 * ------------------------------------------------------
 *
 * hashicorp/consul-template@1deacb7d, dependency/vault_pki.go: due at 0.90 of the life; the jitter
 * of 3 % is an integer division and always zero. config/retry.go: 250 ms doubled up to 60 s, 12
 * tries, no jitter. Then Vault Agent starts its template runner anew after 1 s doubled up to 5 min,
 * less up to 25 % (sdk/helper/backoff). Its HTTP client makes up to three requests a try: one is
 * counted. With injector defaults the container exits instead, which kubelet does not speed up.
 */

static uint64_t pki_cert_due_s(struct world *world, const struct agent *agent)
{
    (void)world;
    return agent->not_before_s + (agent->not_after_s - agent->not_before_s) * 9ULL / 10;
}

static uint64_t doubled_ms(uint64_t first_ms, uint32_t doublings, uint64_t most_ms)
{
    uint64_t ms = first_ms << (doublings < 24 ? doublings : 24);

    return ms < most_ms ? ms : most_ms;
}

static uint64_t consul_template_wait_ms(struct world *world, struct agent *agent, uint64_t now_ms)
{
    uint64_t wait_ms;

    (void)now_ms;
    if (agent->failures <= 12)
        return doubled_ms(250, agent->failures - 1, 60000);
    agent->failures = 0;
    wait_ms = doubled_ms(1000, agent->rounds++, 300000);
    return wait_ms - (uint64_t)((double)wait_ms * world_between(world, 0, 0.25));
}

/* consul-template and Vault Agent with `secret` instead: 0.85 to 0.95 of the life, same retries. */
static uint64_t secret_due_s(struct world *world, const struct agent *agent)
{
    return agent->not_before_s + (uint64_t)((agent->not_after_s - agent->not_before_s) *
                                            world_between(world, 0.85, 0.95));
}

/* -- cert-manager@2d0d7f7: renewed at 2/3 of the life, failures wait 1 h doubled up to 32 h
 * --------
 */

static uint64_t cert_manager_due_s(struct world *world, const struct agent *agent)
{
    (void)world;
    return agent->not_before_s + (agent->not_after_s - agent->not_before_s) * 2ULL / 3;
}

static uint64_t cert_manager_wait_ms(struct world *world, struct agent *agent, uint64_t now_ms)
{
    (void)world;
    (void)now_ms;
    return doubled_ms(3600000, agent->failures - 1, 32 * 3600000ULL);
}

/* -- spiffe-helper, which follows SPIRE's agent (spire@ef8527e)
 * ------------------------------------
 *
 * At half the life, give or take a tenth of it, so 45..55 % of the life. Drawn once here; SPIRE
 * draws anew at each sync of 5 s, which narrows it. Failures wait 5 s times 1.5, up to 4 min, give
 * or take a tenth.
 */

static uint64_t spire_due_s(struct world *world, const struct agent *agent)
{
    return agent->not_before_s + (uint64_t)((agent->not_after_s - agent->not_before_s) *
                                            world_between(world, 0.45, 0.55));
}

static uint64_t spire_wait_ms(struct world *world, struct agent *agent, uint64_t now_ms)
{
    double wait_ms = 5000;

    (void)now_ms;
    for (uint32_t i = 1; i < agent->failures && wait_ms < 240000; i++)
        wait_ms *= 1.5;
    if (wait_ms > 240000)
        wait_ms = 240000;
    return (uint64_t)(wait_ms * world_between(world, 0.9, 1.1));
}

const struct policy policies[POLICY_COUNT] = {
    {"leafd", "40..55 %, full jitter", leafd_due_s, leafd_wait_ms},
    {"Vault Agent pkiCert", "90 %, no jitter", pki_cert_due_s, consul_template_wait_ms},
    {"consul-template secret", "85..95 %", secret_due_s, consul_template_wait_ms},
    {"cert-manager", "2/3, 1 h doubled", cert_manager_due_s, cert_manager_wait_ms},
    {"SPIRE / spiffe-helper", "45..55 %, 5 s..4 min", spire_due_s, spire_wait_ms},
};
